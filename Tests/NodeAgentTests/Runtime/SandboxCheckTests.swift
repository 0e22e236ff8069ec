import KubeAPI
import Testing

@testable import NodeAgent

@Suite("What a sandbox may be made of")
struct SandboxCheckTests {
    private func refusal(_ change: (inout SandboxSpec) -> Void) -> String? {
        do throws(RuntimeError) {
            try SandboxCheck.check(RuntimeSamples.sandbox(change: change))
            return nil
        } catch {
            #expect(error.reason == .invalidSpec)
            return error.message
        }
    }

    @Test func anOrdinaryOne() { #expect(refusal { _ in } == nil) }

    @Test func uidsThatAreNoNames() {
        #expect(refusal { $0.podUID = "../x" } == "pod uid \"../x\" is not valid")
        #expect(refusal { $0.podUID = "" } != nil)
    }

    @Test func hostnamesThatTheKernelTakes() {
        #expect(refusal { $0.hostname = String(repeating: "h", count: 64) } == nil)
        #expect(refusal { $0.hostname = String(repeating: "h", count: 65) } != nil)
        #expect(refusal { $0.hostname = "" } != nil)
    }

    @Test(arguments: [
        "net.core.somaxconn", "net.ipv4.ip_local_port_range", "kernel.shmmax", "kernel.msgmax", "kernel.sem",
        "fs.mqueue.msg_max", "net/ipv4/conf/eth0.1/forwarding",
    ])
    func settingsOfAPodsOwn(_ name: String) { #expect(refusal { $0.sysctls = [name: "1"] } == nil) }

    @Test(arguments: [
        "kernel.panic", "vm.swappiness", "kernel.core_pattern", "fs.file-max", "", ".", "net.../etc/passwd",
        "net/../kernel/panic", "net.x/../../y", "net.ipv4 x", "kernel/panic", "abi.x",
    ])
    func settingsOfTheNode(_ name: String) { #expect(refusal { $0.sysctls = [name: "1"] } != nil) }

    @Test func settingsOfWhatIsShared() {
        #expect(
            refusal {
                $0.sysctls = ["net.core.somaxconn": "1"]; $0.hostNetwork = true
            }?.hasSuffix("on its network") == true)
        #expect(
            refusal {
                $0.sysctls = ["kernel.shmmax": "1"]; $0.hostIPC = true
            }?.hasSuffix("shares its IPC") == true)
        #expect(
            refusal {
                $0.sysctls = ["kernel.shmmax": "1"]; $0.hostNetwork = true
            } == nil)
    }

    @Test func theirValues() {
        #expect(refusal { $0.sysctls = ["net.core.somaxconn": ""] } != nil)
        #expect(refusal { $0.sysctls = ["net.core.somaxconn": "1\u{0}"] } != nil)
    }

    @Test func bothWaysOfWritingAName() {
        #expect(SandboxCheck.path(ofSysctl: "net.ipv4.ip_forward") == "net/ipv4/ip_forward")
        #expect(SandboxCheck.path(ofSysctl: "net/ipv4/conf/eth0.1/forwarding") == "net/ipv4/conf/eth0.1/forwarding")
        #expect(SandboxCheck.path(ofSysctl: "net.ipv4.conf.eth0/1.forwarding") == "net/ipv4/conf/eth0.1/forwarding")
    }
}
