import Kernel
import KubeAPI
import Testing

@testable import NodeAgent

/// The shares of the classes of service, on plain files.
@Suite struct ClassSharesTests {
    private let folder: TemporaryFolder
    private let shares: ClassShares

    init() throws {
        folder = try TemporaryFolder()
        for qos in QOSClass.allCases {
            try FileTree.makeFolders(folder.file("cpu/t/\(qos.rawValue)"))
            try HostFiles.writeAtomically([], to: folder.file("cpu/t/\(qos.rawValue)/cpu.shares"), isDurable: false)
        }
        let cgroups = try CgroupsV1(name: "t", mounts: CgroupMounts(controllers: ["cpu": folder.file("cpu")]))
        shares = ClassShares(cgroups: cgroups, log: LogCollector().logger)
    }

    private func spec(_ uid: String, _ qos: QOSClass, milli: Int?) -> SandboxSpec {
        SandboxSpec(
            podUID: uid, namespace: "default", name: uid, hostname: uid, qos: qos,
            resources: ResourceLimits(cpuRequestMilli: milli))
    }
    private func written(_ qos: QOSClass) throws -> String { try folder.read("cpu/t/\(qos.rawValue)/cpu.shares") }

    @Test func aClassHasWhatItsPodsAskForTogether() throws {
        shares.add(spec("a", .burstable, milli: 1000))
        shares.add(spec("b", .burstable, milli: 1500))
        shares.add(spec("c", .guaranteed, milli: 3000))
        #expect(try written(.burstable) == "2560")
        #expect(try written(.guaranteed) == "3072")
        shares.remove(spec("b", .burstable, milli: 1500))
        #expect(try written(.burstable) == "1024")
    }

    @Test func theLeastIsWhatIsLeft() throws {
        shares.add(spec("a", .burstable, milli: nil))
        #expect(try written(.burstable) == "2")
        shares.add(spec("b", .besteffort, milli: nil))
        #expect(try written(.besteffort) == "", "set once and for all when the tree is made")
    }

    @Test func theKernelsBoundHolds() {
        #expect(ClassShares.shares(ofMilli: 1000) == 1024)
        #expect(ClassShares.shares(ofMilli: 0) == 2)
        #expect(ClassShares.shares(ofMilli: 1 << 40) == 262_144)
    }
}
