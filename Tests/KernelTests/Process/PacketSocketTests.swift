import Glibc
import Testing

@testable import Kernel

@Suite("Packet sockets")
struct PacketSocketTests {
    /// A folder, a listening socket in it, and both ends of a connection.
    private struct Pair: ~Copyable {
        let listener: FileDescriptor
        let near: PacketSocket
        let far: FileDescriptor

        static func make(_ path: String) throws -> Pair {
            let folder = try FileDescriptor.folder(path)
            let listener = try PacketSocket.listen(in: folder, name: "s")
            let near = try PacketSocket(connectingIn: folder, name: "s")
            let raw = accept(listener.raw, nil, nil)
            try #require(raw >= 0)
            return Pair(listener: listener, near: near, far: FileDescriptor(owning: raw))
        }
    }

    @Test func packetsStayWhole() throws {
        let folder = try TemporaryFolder()
        let pair = try Pair.make(folder.path)
        try pair.near.send([1, 2, 3])
        try pair.near.send([4])
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(recv(pair.far.raw, &buffer, 10, 0) == 3)
        #expect(recv(pair.far.raw, &buffer, 10, 0) == 1)
        #expect(try pair.near.receive(limit: 10) == nil)
        #expect(send(pair.far.raw, [7, 8] as [UInt8], 2, 0) == 2)
        #expect(try pair.near.receive(limit: 10) == [7, 8])
    }

    @Test func aPacketThatIsTooLongIsAnError() throws {
        let folder = try TemporaryFolder()
        let pair = try Pair.make(folder.path)
        #expect(send(pair.far.raw, [1, 2, 3] as [UInt8], 3, 0) == 3)
        let error = #expect(throws: KernelError.self) { try pair.near.receive(limit: 2) }
        #expect(error?.code == EMSGSIZE)
    }

    @Test func theEndIsAnEmptyPacket() throws {
        let folder = try TemporaryFolder()
        let pair = try Pair.make(folder.path)
        shutdown(pair.far.raw, Int32(SHUT_RDWR))
        #expect(try pair.near.receive(limit: 10) == [])
    }

    @Test func whatIsSaidBeforeAnybodyAcceptsIsHeard() throws {
        let folder = try TemporaryFolder()
        let handle = try FileDescriptor.folder(folder.path)
        let listener = try PacketSocket.listen(in: handle, name: "s")
        let near = try PacketSocket(connectingIn: handle, name: "s")
        try near.send([9])
        let far = FileDescriptor(owning: accept(listener.raw, nil, nil))
        var byte: UInt8 = 0
        #expect(recv(far.raw, &byte, 1, 0) == 1 && byte == 9)
    }

    @Test func aFolderMayHaveALongerPathThanASocketsAddress() throws {
        let folder = try TemporaryFolder()
        let long = (0..<4).map { _ in String(repeating: "x", count: 50) }.joined(separator: "/")
        try folder.folder(long)
        let pair = try Pair.make(folder.file(long))
        try pair.near.send([1])
    }

    @Test func nobodyListening() throws {
        let folder = try TemporaryFolder()
        let handle = try FileDescriptor.folder(folder.path)
        let missing = #expect(throws: KernelError.self) { _ = try PacketSocket(connectingIn: handle, name: "s") }
        #expect(missing?.code == ENOENT)
        do { _ = try PacketSocket.listen(in: handle, name: "s") }
        let refused = #expect(throws: KernelError.self) { _ = try PacketSocket(connectingIn: handle, name: "s") }
        #expect(refused?.code == ECONNREFUSED)
    }
}

@Suite("Claims in a network namespace")
struct NamespaceClaimTests {
    @Test func aClaimIsSeenAndHeldOnce() throws {
        let prefix = "swl-test-\(UInt64.random(in: 0 ... .max))"
        do {
            let claim = try NamespaceClaim(prefix: prefix, "10.0.0.0/8 x y")
            #expect(try NamespaceClaim.all(prefix: prefix) == ["10.0.0.0/8 x y"])
            let second = #expect(throws: KernelError.self) { _ = try NamespaceClaim(prefix: prefix, "10.0.0.0/8 x y") }
            #expect(second?.code == EADDRINUSE)
            _ = consume claim
        }
        // A child that another test is just spawning has copies of all descriptors, until it executes.
        for _ in 0..<1000 where !(try NamespaceClaim.all(prefix: prefix).isEmpty) { usleep(10_000) }
        #expect(try NamespaceClaim.all(prefix: prefix).isEmpty)
    }

    @Test func aTextThatIsTooLong() {
        let error = #expect(throws: KernelError.self) {
            _ = try NamespaceClaim(prefix: "swl-test", String(repeating: "x", count: 200))
        }
        #expect(error?.code == ENAMETOOLONG)
    }
}
