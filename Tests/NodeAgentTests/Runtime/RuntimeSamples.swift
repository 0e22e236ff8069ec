import KubeAPI
import Kernel

@testable import NodeAgent

/// What the tests of the runtime start from.
enum RuntimeSamples {
    static let id = String(repeating: "0123456789abcdef", count: 4)

    static func sandbox(_ uid: String = "b2c1", change: (inout SandboxSpec) -> Void = { _ in }) -> SandboxSpec {
        var spec = SandboxSpec(podUID: uid, namespace: "default", name: "web", hostname: "web")
        change(&spec)
        return spec
    }

    static func container(change: (inout ContainerSpec) -> Void = { _ in }) -> ContainerSpec {
        var spec = ContainerSpec(
            id: id, name: "main", layers: ["/images/lower", "/images/upper"], args: ["server", "--port=80"],
            env: ["PATH=/bin", "A=b"], logPath: "/var/log/pods/web/0.log")
        change(&spec)
        return spec
    }
}

/// Random numbers that a failing test can be given again: its message has the seed.
struct SeededRandom: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init(seed: UInt64 = .random(in: .min ... .max)) {
        self.seed = seed
        state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: range, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}

/// Says where things would be, and makes nothing.
struct PaperCgroups: Cgroups {
    var isUnified = true
    let layout = "paper"
    let parent: String? = nil
    func create(_ path: String, _ limits: CgroupLimits, isInner: Bool) throws(KernelError) {}
    func update(_ path: String, _ limits: CgroupLimits) throws(KernelError) {}
    func limitDevices(_ path: String) throws(KernelError) {}
    func entrance(_ path: String, isInner: Bool) -> CgroupEntrance {
        CgroupEntrance(tasksFiles: isUnified ? [] : ["/v1/\(path)/tasks"], directory: "/v2/\(path)")
    }
    func oomFile(_ path: String) -> String? { "/v2/\(path)/memory.events" }
    func killFile(_ path: String) -> String? { "/v2/\(path)/cgroup.kill" }
    func visibleFolders(_ path: String) -> [(name: String, path: String)] {
        isUnified ? [] : [("cpu", "/v1/cpu/\(path)"), ("memory", "/v1/memory/\(path)")]
    }
    func processes(_ path: String) -> [Int32] { [] }
    func kill(_ path: String) throws(KernelError) {}
    func remove(_ path: String) throws(KernelError) {}
    func children(_ path: String) -> Set<String> { [] }
    func usage(_ path: String) -> CgroupUsage { CgroupUsage() }
    func removeTop() throws(KernelError) {}
}
