import KubeAPI
import Transport

/// Who gets in through the insecure loopback port: programs of this machine, but no web page that a browser of this
/// machine has open.
///
/// A page can make the browser send requests to 127.0.0.1. It cannot choose `Host` (a name of its own that resolves to
/// us stays visible there), cannot leave `Origin` out of what it may read or write, and without asking first, which
/// brings an `Origin` too, it can send bodies in form types alone (Fetch standard, CORS-safelisted request headers).
public struct InsecurePortPolicy: Sendable {
    public init() {}

    /// The user to act as, or the error to answer with.
    public func admit(_ request: HTTPServerRequest) -> Result<UserInfo, StatusError> {
        if let reason = refusal(request) {
            return .failure(StatusError(code: 403, reason: "Forbidden", message: "forbidden: \(reason)", details: [:]))
        }
        return .success(.unsecured)
    }

    private func refusal(_ request: HTTPServerRequest) -> String? {
        guard let peer = IPAddress(request.peer.address), peer.isLoopback else {
            return "the insecure port serves this machine only"
        }
        let hosts = request.headers(named: "host")
        guard hosts.count == 1, Self.isLocal(host: hosts[0]) else {
            return "the insecure port serves host localhost, 127.0.0.1 and [::1] only, not "
                + GoText.quoted(hosts.joined(separator: ", "))
        }
        if !request.headers(named: "origin").isEmpty {
            return "the insecure port does not serve web pages (the request has an Origin header)"
        }
        guard !["GET", "HEAD", "OPTIONS"].contains(request.method) else { return nil }
        let types = request.headers(named: "content-type")
        guard let type = types.first else {
            return request.body.isEmpty ? nil : "the insecure port takes no body without a Content-Type"
        }
        let essence = type.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
            .trimmingASCIISpace().lowercased()
        if types.count > 1 || essence.isEmpty || Self.formTypes.contains(essence) {
            return "the insecure port takes no body of type \(GoText.quoted(types.joined(separator: ", ")))"
        }
        return nil
    }

    private static let formTypes: Set<String> = [
        "application/x-www-form-urlencoded", "multipart/form-data", "text/plain",
    ]

    /// `localhost`, `127.0.0.1`, `[::1]`, each with or without a port.
    static func isLocal(host: String) -> Bool {
        let host = host.lowercased()
        for name in ["localhost", "127.0.0.1", "[::1]"] where host.hasPrefix(name) {
            let rest = host.dropFirst(name.count)
            if rest.isEmpty { return true }
            if rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0,
                rest.dropFirst().utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
            {
                return true
            }
        }
        return false
    }
}

extension Substring {
    fileprivate func trimmingASCIISpace() -> Substring {
        var result = self
        while let first = result.first, first == " " || first == "\t" { result.removeFirst() }
        while let last = result.last, last == " " || last == "\t" { result.removeLast() }
        return result
    }
}
