import Crypto
import KubeAPI

/// The opening of a WebSocket (RFC 6455, 4.2), as the server sees it.
struct WebSocketHandshake {
    /// The subprotocols that the client offers, its favourite first.
    let offers: [String]
    private let accept: String

    /// Whether the request asks for a WebSocket, well or badly.
    static func isAsked(by request: HTTPServerRequest) -> Bool {
        request.asksForUpgrade && request.header("upgrade")?.lowercased() == "websocket"
    }

    /// Throws the error to answer with.
    init(_ request: HTTPServerRequest) throws(StatusError) {
        guard request.method == "GET" else { throw .methodNotAllowed("a WebSocket begins with a GET") }
        guard request.header("sec-websocket-version") == "13" else {
            throw .badRequest("only version 13 of WebSocket is spoken (Sec-WebSocket-Version)")
        }
        guard let key = request.header("sec-websocket-key"), Base64.decode(key)?.count == 16 else {
            throw .badRequest("Sec-WebSocket-Key: expected 16 bytes in base64")
        }
        accept = Base64.encode(Array(Insecure.SHA1.hash(data: Array((key + Self.suffix).utf8))))
        offers = request.headers(named: "sec-websocket-protocol").flatMap { HeaderList.tokens($0) }
    }

    /// RFC 6455, 1.3.
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The headers of the 101.
    func headers(choosing subprotocol: String?) -> [(String, String)] {
        var headers = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept)]
        if let subprotocol { headers.append(("Sec-WebSocket-Protocol", subprotocol)) }
        return headers
    }
}

/// Header values that are lists.
enum HeaderList {
    /// What stands between the commas, without space; empty parts are none.
    static func tokens(_ value: String) -> [String] {
        value.split(separator: ",").compactMap { part in
            let token = part.drop { $0 == " " || $0 == "\t" }
            let end = token.lastIndex { $0 != " " && $0 != "\t" }
            return end.map { String(token[...$0]) }
        }
    }
}
