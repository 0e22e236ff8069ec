import Testing

@testable import Kernel

@Suite struct ProcessorTimeTests {
    @Test func idleTimeIsNoWork() {
        #expect(ProcessorTime.ticks("cpu  100 20 30 4000 500 6 7 8 90 0\ncpu0 1 2 3 4\n") == 100 + 20 + 30 + 6 + 7 + 8)
        #expect(ProcessorTime.ticks("cpu0 1 2 3 4\n") == nil)
        #expect(ProcessorTime.ticks("") == nil)
    }

    @Test func thisMachineHasWorked() throws {
        #expect(try #require(ProcessorTime(mounts: CgroupMounts()).nanos()) > 0)
    }
}
