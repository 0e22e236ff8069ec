import Testing

@testable import Kernel

@Suite("Where the cgroup hierarchies are")
struct CgroupMountsTests {
    @Test func aHybridMachine() {
        let mounts = CgroupMounts(
            mountinfo: """
                25 1 0:24 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
                26 25 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
                27 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
                28 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
                29 25 0:28 / /sys/fs/cgroup/unified rw shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate
                """)
        #expect(
            mounts.controllers == [
                "cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
                "memory": "/sys/fs/cgroup/memory",
            ])
        #expect(mounts.unified == "/sys/fs/cgroup/unified")
    }

    @Test func aMachineOfV2Alone() {
        let mounts = CgroupMounts(mountinfo: "30 1 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
        #expect(mounts == CgroupMounts(unified: "/sys/fs/cgroup"))
    }

    @Test func theFirstMountOfAHierarchyCounts() {
        let mounts = CgroupMounts(
            mountinfo: """
                1 0 0:1 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
                2 0 0:1 / /mnt/pids rw - cgroup cgroup rw,pids
                3 0 0:2 / /a rw - cgroup2 cgroup2 rw
                4 0 0:2 / /b rw - cgroup2 cgroup2 rw
                """)
        #expect(mounts.controllers["pids"] == "/sys/fs/cgroup/pids")
        #expect(mounts.unified == "/a")
    }

    @Test func spacesInMountPointsAreEscapedByTheKernel() {
        let mounts = CgroupMounts(mountinfo: "1 0 0:1 / /my\\040groups/a\\134b rw - cgroup2 cgroup2 rw\n")
        #expect(mounts.unified == "/my groups/a\\b")
        #expect(CgroupMounts.unescaped("a\\04") == "a\\04")
        #expect(CgroupMounts.unescaped("a\\xyz") == "a\\xyz")
    }

    @Test func linesThatMakeNoSenseAreSkipped() {
        #expect(CgroupMounts(mountinfo: "\n-\n1 2 3 4 5 6 - cgroup2\n1 - cgroup2 x rw\n") == CgroupMounts())
    }

    @Test(arguments: [(2 as UInt64, 1 as UInt64), (1024, 39), (262_144, 10_000), (0, 1), (1_000_000, 10_000)])
    func sharesBecomeWeightsAsInTheOCIRuntimes(_ shares: UInt64, _ weight: UInt64) {
        #expect(CgroupLimits(cpuShares: shares).cpuWeight == weight)
    }

    @Test func noSharesNoWeight() { #expect(CgroupLimits().cpuWeight == nil) }

    @Test func nothingMountedIsAnError() {
        let error = #expect(throws: KernelError.self) { try CgroupDetection.open(name: "x", mounts: CgroupMounts()) }
        #expect("\(error.map { "\($0)" } ?? "")" == "cannot find a mounted cgroup hierarchy: no such file or directory")
    }
}
