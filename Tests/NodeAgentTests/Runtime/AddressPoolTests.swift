import Glibc
import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

@Suite("The addresses of pods")
struct AddressPoolTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func pool(_ range: String, reserved: [String] = []) throws -> AddressPool {
        try AddressPool(
            range: try #require(CIDR(range)), reserved: reserved.compactMap { IPAddress($0) },
            path: folder.file("addresses"))
    }
    private func take(_ pool: AddressPool) throws -> String? { try pool.take()?.description }
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func theyAreGivenInTurnAfterTheNodesOwn() throws {
        let pool = try pool("10.244.0.0/24")
        #expect(try take(pool) == "10.244.0.2")
        #expect(try take(pool) == "10.244.0.3")
        try pool.giveBack(address("10.244.0.2"))
        // One that was given back comes as late as possible.
        #expect(try take(pool) == "10.244.0.4")
    }

    @Test func allButTheEdgesAreGivenAndThenNone() throws {
        let pool = try pool("10.244.0.8/29")
        var given: [String] = []
        while let next = try take(pool) { given.append(next) }
        #expect(given == (10...14).map { "10.244.0.\($0)" })
        #expect(pool.freeCount == 0)
        try pool.giveBack(address("10.244.0.12"))
        #expect(try take(pool) == "10.244.0.12")
        #expect(try take(pool) == nil)
    }

    @Test func reservedOnesAreNeverGiven() throws {
        let pool = try pool("10.244.0.0/29", reserved: ["10.244.0.3", "192.168.0.1"])
        var given: [String] = []
        while let next = try take(pool) { given.append(next) }
        #expect(given == ["10.244.0.2", "10.244.0.4", "10.244.0.5", "10.244.0.6"])
        try pool.giveBack(address("10.244.0.3"))
        #expect(try take(pool) == nil)
        try pool.reset(to: [])
        #expect(try (0..<4).map { _ in try take(pool) }.contains("10.244.0.3") == false)
    }

    @Test func aSmallRangeIsGivenWhole() throws {
        let pool = try pool("10.244.0.0/31")
        #expect(try take(pool) == "10.244.0.0")
        #expect(try take(pool) == "10.244.0.1")
        #expect(try take(pool) == nil)
    }

    @Test func whatIsGivenOutlivesTheProcess() throws {
        do {
            let first = try pool("10.244.0.0/24")
            _ = try take(first)
            _ = try take(first)
        }
        let second = try pool("10.244.0.0/24")
        #expect(try take(second) == "10.244.0.4")
        try second.giveBack(address("10.244.0.2"))
        let third = try pool("10.244.0.0/24")
        #expect(third.usedCount == 3 + 2)
    }

    @Test func aFileOfAnotherRangeIsNotBelieved() throws {
        _ = try take(try pool("10.244.0.0/24"))
        #expect(try take(try pool("10.245.0.0/24")) == "10.245.0.2")
        #expect(try take(try pool("10.245.0.0/25")) == "10.245.0.2")
    }

    @Test func aDamagedFileIsMadeAnew() throws {
        var random = SeededRandom()
        for _ in 0..<200 {
            let pool = try pool("10.244.0.0/26")
            _ = try take(pool)
            var bytes = try HostFiles.read(folder.file("addresses"))
            // Cut, or with a byte of its head changed.
            if Bool.random(using: &random) {
                bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
            } else {
                bytes[Int.random(in: 0..<40, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try HostFiles.writeAtomically(bytes, to: folder.file("addresses"), isDurable: false)
            let again = try self.pool("10.244.0.0/26")
            let next = try #require(try again.take(), "seed \(random.seed)")
            #expect(CIDR("10.244.0.0/26")?.contains(next) == true, "seed \(random.seed)")
            try FileTree.remove(folder.file("addresses"))
        }
    }

    @Test func atStartWhatPodsHaveIsAllThatIsGiven() throws {
        let pool = try pool("10.244.0.0/24")
        for _ in 0..<10 { _ = try take(pool) }
        try pool.reset(to: [address("10.244.0.200"), address("10.9.9.9")])
        #expect(pool.usedCount == 3 + 1)
    }

    @Test func strangersAreNotTakenBack() throws {
        let pool = try pool("10.244.0.0/24")
        try pool.giveBack(address("10.9.9.9"))
        // Nor the edges, which would be given then.
        try pool.giveBack(address("10.244.0.0"))
        try pool.giveBack(address("10.244.0.255"))
        #expect(pool.usedCount == 3)
    }

    @Test func onlyIPv4() throws {
        let error = #expect(throws: KernelError.self) { _ = try pool("fd00::/64") }
        #expect(error?.code == EAFNOSUPPORT)
    }

    @Test func randomTakingAndGivingKeepsTheCount() throws {
        var random = SeededRandom()
        let pool = try pool("10.244.0.0/26")
        var held: Set<IPAddress> = []
        for _ in 0..<2000 {
            if Bool.random(using: &random), let next = try pool.take() {
                #expect(held.insert(next).inserted, "given twice, seed \(random.seed)")
            } else if let one = held.randomElement(using: &random) {
                held.remove(one)
                pool.giveBack(one)
            }
            #expect(pool.usedCount == held.count + 3, "seed \(random.seed)")
        }
    }
}

@Suite("Names of links")
struct PodNetworkNameTests {
    @Test func aLinkIsNamedAfterItsTagAndAddress() throws {
        let address = try #require(IPAddress("10.244.0.5"))
        let name = PodNetwork.linkName(tag: "a2b3", address)
        #expect(name == "swla2b30af40005")
        // IFNAMSIZ, its zero included.
        #expect(name.utf8.count == 15)
        #expect(PodNetwork.address(tag: "a2b3", ofLink: name) == address)
        #expect(PodNetwork.linkName(tag: "0000", IPAddress(ipv4: 1)) == "swl000000000001")
    }

    @Test(arguments: [
        "swla2b40af40005", "swla2b30af4000", "swla2b30af4000x", "swla2b30af400055", "eth0", "", "swla2b3",
    ])
    func othersLinksAreNotOurs(_ name: String) {
        #expect(PodNetwork.address(tag: "a2b3", ofLink: name) == nil)
    }

    @Test func eachTagHasItsGroup() {
        #expect(PodNetwork.group(tag: "a2b3") != PodNetwork.group(tag: "a2b4"))
        // 0 is the group of all links that nobody has put into one.
        #expect(PodNetwork.group(tag: "0000") >> 24 == 0x53)
    }
}
