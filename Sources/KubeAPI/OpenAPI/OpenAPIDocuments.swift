import Synchronization

/// The OpenAPI documents as they go over the wire. Each is written at its first request and kept.
public final class OpenAPIDocuments: Sendable {
    public struct Document: Sendable {
        public let body: [UInt8]
        /// With its quotes; stable for the same contents.
        public let etag: String
    }

    private let scheme: Scheme
    private let documents = Mutex<[String: Document]>([:])

    public init(_ scheme: Scheme) { self.scheme = scheme }

    /// `GET /openapi/v3`. Writes all documents, whose hashes it holds, at the first request.
    public func index() -> Document {
        document(key: "") {
            OpenAPIv3.index(self.scheme) { group, version in
                self.document(group: group, version: version)?.etag.filter { $0 != "\"" } ?? ""
            }
        }
    }

    /// `GET /openapi/v3/api/v1`, `GET /openapi/v3/apis/GROUP/VERSION`; nil where it is not served.
    public func document(group: String, version: String) -> Document? {
        guard scheme.versions(group: group).contains(version) else { return nil }
        return document(key: OpenAPIv3.path(group: group, version: version)) {
            OpenAPIv3.document(self.scheme, group: group, version: version) ?? .emptyObject
        }
    }

    private func document(key: String, _ make: () -> JSON) -> Document {
        if let document = documents.withLock({ $0[key] }) { return document }
        let body = make().serialized()
        let document = Document(body: body, etag: "\"\(Self.hash(body))\"")
        documents.withLock { $0[key] = document }
        return document
    }

    /// FNV-1a, twice with different offsets: it only has to tell our own documents apart.
    private static func hash(_ bytes: [UInt8]) -> String {
        var first: UInt64 = 0xcbf2_9ce4_8422_2325
        var second: UInt64 = 0x9ae1_6a3b_2f90_404f
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01b3
            second = (second ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return [first, second].map { value in
            let text = String(value, radix: 16, uppercase: true)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }
}
