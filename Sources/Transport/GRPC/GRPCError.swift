/// How a call of gRPC failed (https://grpc.io/docs/guides/status-codes).
public struct GRPCError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: Int, Sendable {
        case cancelled = 1
        case unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied, resourceExhausted,
            failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable, dataLoss, unauthenticated
    }

    public let code: Code
    public let message: String
    /// The server has certainly not acted on the call.
    public var isUnsent: Bool

    public init(_ code: Code, _ message: String, isUnsent: Bool = false) {
        self.code = code
        self.message = message
        self.isUnsent = isUnsent
    }

    public var description: String { message }

    /// What trailers say: nil where all is well.
    static func ofTrailers(
        _ trailers: [HeaderDecoder.Field], status: Int?, contentType: String
    ) -> GRPCError? {
        if let code = trailers.first(where: { $0.name == "grpc-status" }).flatMap({ Int($0.value) }) {
            if code == 0 { return nil }
            let message = trailers.first { $0.name == "grpc-message" }?.value ?? ""
            return GRPCError(
                Code(rawValue: code) ?? .unknown, PercentCoding.decode(message, plusIsSpace: false) ?? message)
        }
        let status = status ?? 0
        var message = "unexpected HTTP status code received from server: \(status)"
        if !contentType.hasPrefix("application/grpc") {
            message += "; transport: received unexpected content-type \"\(contentType)\""
        }
        return GRPCError(code(ofHTTP: status), message)
    }

    /// As gRPC maps what proxies and plain servers answer.
    private static func code(ofHTTP status: Int) -> Code {
        switch status {
        case 400: .internal
        case 401: .unauthenticated
        case 403: .permissionDenied
        case 404: .unimplemented
        case 429, 502, 503, 504: .unavailable
        default: .unknown
        }
    }

    /// What a stream's reset says (RFC 9113, 7).
    static func ofReset(_ code: UInt32) -> GRPCError {
        let message = "stream terminated by RST_STREAM with error code: \(code)"
        switch code {
        case HTTP2Frame.Code.refusedStream: return GRPCError(.unavailable, message, isUnsent: true)
        case HTTP2Frame.Code.cancel: return GRPCError(.cancelled, message)
        case HTTP2Frame.Code.enhanceYourCalm: return GRPCError(.resourceExhausted, message)
        default: return GRPCError(.internal, message)
        }
    }
}
