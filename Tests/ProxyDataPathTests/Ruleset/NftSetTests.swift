import Testing

@testable import ProxyDataPath

/// nft itself made these bytes for the same declarations.
@Suite struct NftSetTests {
    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func describesAMapAsNftDoes() {
        let set = NftSet(.services)
        #expect(set.declaration == "typeof ip daddr . meta l4proto . th dport : ct mark; size 20000;")
        #expect(NftSet.typeNumber(set.key) == 0x730d)
        #expect(set.keyByteCount == 12)
        #expect(set.dataByteCount == 4)
        #expect(
            hex(set.userData)
                == "0004000000000104010000000344" + "00040d000000013c" + "00140004070000" + "00010c00040c00" + "0000"
                + "01040c000000" + "010e00040900000001060004" + "10000000" + "02140004070000" + "00010c00040b000000"
                + "010402000000" + "041400040c000000010c0004030000000104ffffffff" + "060400000000")
    }

    @Test func describesASetAndAVerdictMapAsNftDoes() {
        #expect(
            hex(NftSet(.nodeAddresses).userData)
                == "00040200000003140004070000" + "00010c00040c00000001040c000000")
        #expect(
            hex(NftSet(.picks).userData)
                == "000401000000010400000000" + "031400040c000000010c0004030000000104ffffffff"
                + "0408000401000000" + "0100060400000000")
        #expect(NftSet.typeNumber(NftSet(.backends).key) == 0x4c4)
    }

    @Test func writesElementsAsNftDoes() {
        let service = NftElement(front("10.96.0.10", 80, .udp).words, NftWords(0x4002))
        #expect(NftSet(.services).text(service) { _ in "" } == "10.96.0.10 . udp . 80 : 0x00004002")
        let pick = NftElement(NftWords(2))
        #expect(NftSet(.picks).text(pick) { "pick\($0)" } == "0x00000002 : jump pick2")
        let slot = NftElement(
            NftWords(0x4000, 7), NftWords(NftWords.word(address("10.244.0.5")), NftWords.word(port: 8080)))
        #expect(NftSet(.backends).text(slot) { _ in "" } == "0x00004000 . 7 : 10.244.0.5 . 8080")
    }

    @Test func carriesAnotherSizeInItsName() {
        let larger = NftSet(.services).grown(toHold: 30_000)
        #expect(larger.size == 40_000)
        #expect(larger.name == "services-40000")
        #expect(NftSet(name: "services-40000") == larger)
        #expect(NftSet(name: "services") == NftSet(.services))
        #expect(NftSet(name: "sticky_slots") == NftSet(.stickySlots))
        #expect(NftSet(name: "services-x") == nil)
        #expect(NftSet(name: "others") == nil)
        #expect(NftSet(.services).grown(toHold: 100) == NftSet(.services))
    }
}
