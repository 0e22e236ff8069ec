import Glibc
import KubeAPI

/// Unpacks a layer while it comes: keeps its blob on the disk until the image is complete, checks both digests.
/// Runs on a thread of its own.
struct LayerUnpacking: Sendable {
    let descriptor: BlobDescriptor
    let diffID: String
    let partial: PartialBlob
    let queue: PieceQueue
    /// Where it is unpacked.
    let path: String

    private var subject: String { "layer \(descriptor.digest)" }

    func run() throws -> UnpackedLayer {
        do {
            return try withUTF8Names { try unpack() }
        } catch {
            queue.refuse(error)
            throw error
        }
    }

    private func unpack() throws -> UnpackedLayer {
        let source = Source(partial: partial, queue: queue)
        let layer: UnpackedLayer
        do {
            let stream = try LayerStream(subject: subject) { piece in try source.next(&piece) }
            layer = try UnpackedLayer(stream, diffID: diffID, path: path, subject: subject)
        } catch let error as ImageError {
            // What can't be unpacked may be another blob than the one that was asked for: that says more.
            try verify(source)
            throw error
        }
        try verify(source)
        return layer
    }

    /// Takes what has not been looked at (bytes behind the end of the archive), and checks the blob.
    private func verify(_ source: Source) throws {
        if let failure = source.failure { throw failure }
        var piece: [UInt8] = []
        repeat { try source.next(&piece) } while !piece.isEmpty
        let actual = source.digest.text()
        guard actual == descriptor.digest else {
            partial.remove()
            throw RegistryError(
                .invalid, "layer \(descriptor.digest) failed verification: the registry sent \(actual)")
        }
    }

    /// The blob's bytes: those that are on the disk, then those that come.
    private final class Source {
        private let partial: PartialBlob
        private let queue: PieceQueue
        /// Of what was on the disk when this began.
        private let keptBytes: Int64
        private var position: Int64 = 0
        private(set) var digest = ContentDigest()
        /// Why nothing comes any more. libarchive passes on only that something failed.
        private(set) var failure: (any Error)?

        private static let blockBytes = 256 << 10

        init(partial: PartialBlob, queue: PieceQueue) {
            self.partial = partial
            self.queue = queue
            keptBytes = partial.sizeBytes
        }

        /// Empty at the end.
        func next(_ piece: inout [UInt8]) throws {
            do {
                if position < keptBytes {
                    piece = try partial.read(
                        at: position, count: Int(min(Int64(Self.blockBytes), keptBytes - position)))
                    guard !piece.isEmpty else { throw ImageError("the blob on the disk was cut meanwhile") }
                } else if let next = try queue.next() {
                    piece = next
                    try partial.append(piece)
                } else {
                    piece = []
                    return
                }
            } catch {
                failure = error
                throw error
            }
            position += Int64(piece.count)
            piece.withUnsafeBytes { digest.add($0) }
        }
    }
}
