import Testing

@testable import ProxyDataPath

@Suite struct MarkLayoutTests {
    @Test func usesTheWholeMarkByDefault() {
        let layout = MarkLayout.standard
        #expect(layout.countLimit == 4095)
        #expect(layout.idLimit == 262_143)
        #expect(layout.pickMask == 0x1fff)
        #expect(layout.masqueradeFlag == 0x2000)
        #expect(layout.idMask == 0xffff_c000)
        #expect(layout.id(1) == 0x4000)
    }

    @Test(arguments: [0xffff_ffff, 0x00ff_ffff, 0xffff_ff00, 0x000f_fff0, 0x0000_ffff, 0xffff_0000] as [UInt32])
    func staysWithinItsMask(mask: UInt32) throws {
        let layout = try #require(MarkLayout(mask: mask))
        let parts = [layout.pickMask, layout.masqueradeFlag, layout.idMask]
        #expect(parts.reduce(0, |) == mask)
        #expect(parts.map(\.nonzeroBitCount).reduce(0, +) == mask.nonzeroBitCount)
        #expect(layout.stickyFlag & layout.pickMask == layout.stickyFlag)
        #expect(layout.number(layout.countLimit) | layout.stickyFlag == layout.pickMask)
        #expect(layout.id(layout.idLimit) == layout.idMask)
        let mark = layout.id(5) | layout.number(3) | layout.masqueradeFlag
        #expect(layout.id(of: mark) == 5)
        #expect(layout.number(of: mark) == 3)
    }

    @Test(arguments: [0, 0x00ff_00ff, 0x7fff, 0xf000_000f] as [UInt32])
    func refusesMasksThatCantHoldIt(mask: UInt32) {
        #expect(MarkLayout(mask: mask) == nil)
    }
}
