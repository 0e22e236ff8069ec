import CNetfilter
import Glibc
import KubeAPI
import Testing

@testable import ProxyDataPath

/// What is encoded is read back by hand: message by message, attribute by attribute.
@Suite struct NftEncoderTests {
    private struct Message {
        let type: Int
        let flags: Int
        let sequence: UInt32
        let family: UInt8
        let attributes: [Int: [UInt8]]
        func text(_ type: Int) -> String {
            String(decoding: (attributes[type] ?? []).prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func attributes(_ bytes: [UInt8]) -> [(type: Int, value: [UInt8])] {
        bytes.withUnsafeBytes { buffer in NftAttributes(buffer).map { ($0.type, Array($0.value)) } }
    }

    private func encode(_ transaction: NftTransaction) -> (messages: [Message], operations: [Int]) {
        var encoder = NftEncoder()
        encoder.encode(transaction)
        let bytes = Array(UnsafeRawBufferPointer(start: encoder.buffer.bytes, count: encoder.buffer.count))
        var messages: [Message] = []
        var offset = 0
        while offset + 20 <= bytes.count {
            let length = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2]) << 16
            guard length >= 20, offset + length <= bytes.count else { break }
            let message = Array(bytes[offset..<offset + length])
            messages.append(
                Message(
                    type: Int(message[4]) | Int(message[5]) << 8, flags: Int(message[6]) | Int(message[7]) << 8,
                    sequence: UInt32(message[8]) | UInt32(message[9]) << 8, family: message[16],
                    attributes: Dictionary(attributes(Array(message[20...])).map { ($0.type, $0.value) }) { $1 }))
            offset += (length + 3) & ~3
        }
        #expect(offset == bytes.count)
        return (messages, encoder.operationOfMessage)
    }

    private func nft(_ type: nf_tables_msg_types) -> Int { Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(type.rawValue) }

    @Test func framesABatchAndAsksForOneAnswer() {
        var transaction = NftTransaction(table: "t")
        transaction.add(.addTable)
        transaction.add(NftChain("c", PickChain.refuse.rules(NftSets(), .standard)))
        let (messages, operations) = encode(transaction)
        #expect(
            messages.map(\.type) == [
                Int(NFNL_MSG_BATCH_BEGIN), nft(NFT_MSG_NEWTABLE), nft(NFT_MSG_NEWCHAIN), nft(NFT_MSG_NEWRULE),
                nft(NFT_MSG_NEWRULE), Int(NFNL_MSG_BATCH_END),
            ])
        #expect(messages.map { $0.flags & Int(NLM_F_ACK) != 0 } == [false, false, false, false, true, false])
        #expect(messages.map(\.sequence) == Array(1...6))
        #expect(operations == [0, 1, 2, 3])
        #expect(messages[1].text(1) == "t")
        #expect(messages[2].text(3) == "c")
        #expect(messages[1...4].allSatisfy { $0.family == UInt8(NFPROTO_IPV4) })
    }

    @Test func numbersGoOnFromOneBatchToTheNext() {
        var encoder = NftEncoder()
        var transaction = NftTransaction(table: "t")
        transaction.add(.addTable)
        encoder.encode(transaction)
        #expect(encoder.firstSequence == 1)
        #expect(encoder.lastSequence == 2)
        encoder.encode(transaction)
        #expect(encoder.firstSequence == 4)
    }

    @Test func writesARulesExpressionsInOrder() {
        var transaction = NftTransaction(table: "t")
        transaction.add(NftChain("pick3", PickChain.random(count: 3).rules(NftSets(), .standard)))
        let (messages, operations) = encode(transaction)
        // The anonymous set of protocols and its elements come before the rule.
        #expect(
            messages.dropFirst().dropLast().map(\.type) == [
                nft(NFT_MSG_NEWCHAIN), nft(NFT_MSG_NEWSET), nft(NFT_MSG_NEWSETELEM), nft(NFT_MSG_NEWRULE),
            ])
        #expect(operations == [0, 1, 1, 1])
        let list = messages[4].attributes[Int(NFTA_RULE_EXPRESSIONS.rawValue)] ?? []
        let names = attributes(list).map { entry in
            String(
                decoding: (attributes(entry.value).first { $0.type == 1 }?.value ?? []).prefix { $0 != 0 },
                as: UTF8.self)
        }
        #expect(names == ["meta", "lookup", "ct", "bitwise", "numgen", "lookup", "nat"])
    }

    @Test func writesElementsByHandAsTheyAre() throws {
        let elements = (0..<3).map { slot in
            NftElement(
                NftWords(0x4000, UInt32(slot)),
                NftWords(NftWords.word(address("10.244.0.\(slot + 1)")), NftWords.word(port: 8080)))
        }
        var transaction = NftTransaction(table: "t")
        transaction.add(.addElements(NftSet(.backends), elements))
        transaction.add(.deleteElements(NftSet(.backends), elements))
        let messages = encode(transaction).messages
        #expect(messages.map(\.type).dropFirst().dropLast() == [nft(NFT_MSG_NEWSETELEM), nft(NFT_MSG_DELSETELEM)])
        for (message, hasData) in [(messages[1], true), (messages[2], false)] {
            #expect(message.text(1) == "t")
            #expect(message.text(2) == "backends")
            let list = try #require(message.attributes[Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)])
            let read = attributes(list).map { element -> NftElement in
                let parts = Dictionary(attributes(element.value).map { ($0.type, $0.value) }) { $1 }
                func words(_ type: Int) -> NftWords {
                    let value = attributes(parts[type] ?? []).first { $0.type == Int(NFTA_DATA_VALUE.rawValue) }?.value
                    return (value ?? []).withUnsafeBytes { $0.words }
                }
                return NftElement(words(Int(NFTA_SET_ELEM_KEY.rawValue)), words(Int(NFTA_SET_ELEM_DATA.rawValue)))
            }
            #expect(read == (hasData ? elements : elements.map { NftElement($0.key) }))
        }
    }

    @Test func splitsListsThatOneAttributeCantHold() throws {
        let elements = (0..<5_000).map { NftElement(NftWords(0x4000, UInt32($0)), NftWords(1, 2)) }
        var transaction = NftTransaction(table: "t")
        transaction.add(.addElements(NftSet(.backends), elements))
        let (messages, operations) = encode(transaction)
        let lists = messages.compactMap { $0.attributes[Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)] }
        #expect(lists.count > 1)
        #expect(lists.allSatisfy { $0.count < 65_532 })
        #expect(lists.map { attributes($0).count }.reduce(0, +) == elements.count)
        #expect(operations == Array(repeating: 0, count: lists.count))
    }

    @Test func leadsAPickToItsChain() throws {
        var transaction = NftTransaction(table: "t")
        transaction.addPick(NftSet(.picks), key: 2, chain: "pick2")
        let list = try #require(
            encode(transaction).messages[1].attributes[Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)])
        let element = try #require(attributes(list).first)
        let data = try #require(attributes(element.value).first { $0.type == Int(NFTA_SET_ELEM_DATA.rawValue) })
        let verdict = try #require(attributes(data.value).first { $0.type == Int(NFTA_DATA_VERDICT.rawValue) })
        let parts = Dictionary(attributes(verdict.value).map { ($0.type, $0.value) }) { $1 }
        #expect(parts[Int(NFTA_VERDICT_CODE.rawValue)] == [0xff, 0xff, 0xff, 0xfd])  // NFT_JUMP
        #expect(parts[Int(NFTA_VERDICT_CHAIN.rawValue)] == Array("pick2".utf8) + [0])
    }
}
