import KubeAPI
import Transport

/// Names to digests, and digests to documents.
extension RegistrySession {
    /// A document and what it is known by.
    struct Manifest: Sendable {
        var digest: String
        var bytes: [UInt8]
        var document: ManifestDocument
    }

    /// The digest that a tag has now; nil where the registry does not say.
    func digest(of reference: ImageReference) async throws -> String? {
        try await first(of: ways) { way in
            let answer = try await open("HEAD", Self.path(of: reference), by: way, headers: Self.accept)
            return answer.header("docker-content-digest").flatMap { ImageReference.isDigest($0) ? $0 : nil }
        }.0
    }

    /// The manifest or index of a name, and where it was found.
    func manifest(of reference: ImageReference) async throws -> (Manifest, Way) {
        try await first(of: ways) { try await manifest(Self.path(of: reference), expected: reference.digest, by: $0) }
    }

    /// The manifest of a digest, first from where its index was found.
    func manifest(_ descriptor: BlobDescriptor, from way: Way) async throws -> (Manifest, Way) {
        try await first(of: ways(beginningWith: way)) {
            try await manifest("manifests/\(descriptor.digest)", expected: descriptor.digest, by: $0)
        }
    }

    /// A small blob as a whole.
    func blob(_ descriptor: BlobDescriptor, limit: Int, from way: Way) async throws -> [UInt8] {
        try await first(of: ways(beginningWith: way)) { way in
            let answer = try await open("GET", "blobs/\(descriptor.digest)", by: way)
            let bytes = try await Self.body(answer, limit: limit, what: "blob \(descriptor.digest)")
            try Self.check(bytes, is: descriptor.digest)
            return bytes
        }.0
    }

    func ways(beginningWith way: Way) -> [Way] { [way] + ways.filter { $0 != way } }

    private static func path(of reference: ImageReference) -> String {
        "manifests/\(reference.digest ?? reference.tag ?? "latest")"
    }

    private static let accept = [("Accept", ManifestDocument.accepted.joined(separator: ", "))]

    private func manifest(_ path: String, expected: String?, by way: Way) async throws -> Manifest {
        let answer = try await open("GET", path, by: way, headers: Self.accept)
        let bytes = try await Self.body(answer, limit: ManifestDocument.sizeLimit, what: "manifest")
        let document = try ManifestDocument(bytes, contentType: answer.header("content-type"))
        if let expected {
            try Self.check(bytes, is: expected)
        } else if let claimed = answer.header("docker-content-digest"), ImageReference.isDigest(claimed) {
            try Self.check(bytes, is: claimed)
        }
        return Manifest(digest: ContentDigest.of(bytes), bytes: bytes, document: document)
    }

    private static func check(_ bytes: [UInt8], is digest: String) throws(RegistryError) {
        let actual = ContentDigest.of(bytes)
        guard actual == digest else {
            throw RegistryError(.invalid, "the registry's answer has the digest \(actual) instead of \(digest)")
        }
    }

    /// A body of at most `limit` bytes, for which the registry has a bounded time.
    private static func body(_ answer: HTTPClientStream, limit: Int, what: String) async throws -> [UInt8] {
        do {
            return try await withStallLimit { clock in
                var bytes: [UInt8] = []
                for try await chunk in answer.body {
                    clock.progress()
                    guard bytes.count + chunk.count <= limit else {
                        throw RegistryError(.invalid, "the registry's \(what) has more than \(limit) bytes")
                    }
                    bytes += chunk
                }
                // The loop ends quietly then.
                try Task.checkCancellation()
                return bytes
            }
        } catch let error as TransportError {
            throw RegistryError(.unavailable, "failed to read \(what): \(error)")
        }
    }
}
