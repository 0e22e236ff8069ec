import Testing

@testable import Kernel

/// What other packet filters do with forwarded packets, read from the kernel's answers.
@Suite struct FilterChainTests {
    /// An NFT_MSG_NEWCHAIN's body.
    private func body(family: UInt8, table: String, name: String, hook: UInt32?, policy: UInt32?) -> ArraySlice<UInt8> {
        var message = NetlinkMessage(type: 0, flags: 0)
        message.append(family)
        message.append(UInt8(0))
        message.append(UInt16(0))
        message.attribute(1, table)
        message.attribute(3, name)
        if let hook {
            message.nested(4) { message in
                message.attribute(1, hook.bigEndian)
                message.attribute(2, UInt32(0))
            }
        }
        if let policy { message.attribute(5, policy.bigEndian) }
        return message.bytes.dropFirst(16)
    }

    @Test func aForwardChainThatDrops() {
        let chain = FilterChains.chain(body(family: 2, table: "filter", name: "FORWARD", hook: 2, policy: 0))
        #expect(chain == FilterChain(family: "ip", table: "filter", name: "FORWARD", isForward: true, drops: true))
    }

    @Test func othersDropNothingOfPods() {
        #expect(FilterChains.chain(body(family: 1, table: "t", name: "f", hook: 2, policy: 1))?.drops == false)
        #expect(FilterChains.chain(body(family: 1, table: "t", name: "in", hook: 1, policy: 0))?.drops == false)
        let plain = FilterChains.chain(body(family: 2, table: "filter", name: "DOCKER-USER", hook: nil, policy: nil))
        #expect(plain?.name == "DOCKER-USER" && plain?.isForward == false)
    }

    @Test func otherFamiliesDontCarryPods() {
        #expect(FilterChains.chain(body(family: 7, table: "b", name: "forward", hook: 2, policy: 0)) == nil)
        #expect(FilterChains.chain([]) == nil)
    }

    @Test func theOlderIptablesPolicy() {
        #expect(FilterChains.legacyChain(verdict: -1).drops)
        #expect(!FilterChains.legacyChain(verdict: -2).drops)
    }
}
