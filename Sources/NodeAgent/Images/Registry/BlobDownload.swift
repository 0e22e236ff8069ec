import KubeAPI
import Transport

/// Fetches a blob's bytes from where they have come to, and goes on where the connection breaks.
struct BlobDownload: Sendable {
    let session: RegistrySession
    let descriptor: BlobDescriptor
    /// In the order of trying.
    let ways: [RegistrySession.Way]
    let progress: PullProgress

    /// Breaks in a row, without a byte between them, after which it is left to the next try of the pull.
    private static let breakLimit = 5

    /// Puts everything from `start` on into the queue.
    func run(from start: Int64, into queue: PieceQueue) async throws {
        let position = Position(start)
        var breaks = 0
        while position.value < descriptor.sizeBytes {
            let before = position.value
            do {
                _ = try await session.first(of: ways) { try await part(position, into: queue, by: $0) }
                // A server that ends too early has broken off as well.
                guard position.value < descriptor.sizeBytes else { return }
                throw TransportError(
                    .connectionLost, "the registry sent \(position.value) of \(descriptor.sizeBytes) bytes")
            } catch  where Self.isBreak(error) {
                breaks = position.value > before ? 1 : breaks + 1
                guard breaks < Self.breakLimit else {
                    throw RegistryError(.unavailable, "failed to copy layer \(descriptor.digest): \(error)")
                }
                try await Task.sleep(for: .milliseconds(100 << breaks))
            }
        }
    }

    /// A registry that is being restarted breaks off first, and is away afterwards.
    private static func isBreak(_ error: any Error) -> Bool {
        error is TransportError || (error as? RegistryError)?.kind == .unavailable
    }

    /// How far the blob has come; for the one task that fetches it.
    private final class Position: @unchecked Sendable {
        var value: Int64
        init(_ value: Int64) { self.value = value }
    }

    private func part(_ position: Position, into queue: PieceQueue, by way: RegistrySession.Way) async throws {
        let start = position.value
        let headers = start > 0 ? [("Range", "bytes=\(start)-")] : []
        let answer = try await session.open("GET", "blobs/\(descriptor.digest)", by: way, headers: headers)
        // A registry without ranges begins anew.
        let alreadyHere: Int64 = answer.status == 206 ? 0 : start
        if answer.status == 206, let range = answer.header("content-range"), !range.hasPrefix("bytes \(start)-") {
            throw RegistryError(.invalid, "the registry sent the range \(range) instead of the bytes from \(start) on")
        }
        let (descriptor, progress) = (descriptor, progress)
        try await withStallLimit { clock in
            var skipped = alreadyHere
            for try await chunk in answer.body {
                clock.progress()
                var piece = chunk
                if skipped > 0 {
                    let count = min(skipped, Int64(chunk.count))
                    skipped -= count
                    piece = Array(chunk.dropFirst(Int(count)))
                    if piece.isEmpty { continue }
                }
                guard position.value + Int64(piece.count) <= descriptor.sizeBytes else {
                    throw RegistryError(
                        .invalid,
                        "layer \(descriptor.digest) has more than the \(descriptor.sizeBytes) bytes of its manifest")
                }
                position.value += Int64(piece.count)
                progress.received(piece.count)
                if try queue.put(piece) {
                    clock.pause()
                    await queue.room()
                    clock.resume()
                }
            }
            try Task.checkCancellation()
        }
    }
}
