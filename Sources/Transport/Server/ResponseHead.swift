import Glibc
import NIOCore
import NIOHTTP1
import Synchronization

/// Writes status line and headers. By hand, because everything after the head is raw bytes: shared, ready-framed
/// buffers cannot go through NIOHTTP1's encoder.
enum ResponseHead {
    enum Framing {
        case length(Int)
        case chunked
        /// Ends with the connection (HTTP/1.0).
        case untilClose
        /// No body and no length: 1xx, 204, 304, and HEAD where the length is unknown.
        case none
    }

    static func write(
        status: Int, headers: [(String, String)], framing: Framing, closes: Bool, into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("HTTP/1.1 ")
        buffer.writeString(String(status))
        buffer.writeStaticString(" ")
        buffer.writeString(HTTPResponseStatus(statusCode: status).reasonPhrase)
        buffer.writeStaticString("\r\n")
        var hasDate = false
        for (name, value) in headers {
            switch name.utf8.count {
            case 4 where name.lowercased() == "date": hasDate = true
            // The framing is ours; a second statement of it would let the peer be misled.
            case 10 where name.lowercased() == "connection": continue
            case 14 where name.lowercased() == "content-length": continue
            case 17 where name.lowercased() == "transfer-encoding": continue
            default: break
            }
            writeSafely(name, into: &buffer)
            buffer.writeStaticString(": ")
            writeSafely(value, into: &buffer)
            buffer.writeStaticString("\r\n")
        }
        if !hasDate { HTTPDate.write(into: &buffer) }
        switch framing {
        case .length(let length):
            buffer.writeStaticString("Content-Length: ")
            buffer.writeString(String(length))
            buffer.writeStaticString("\r\n")
        case .chunked:
            buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .untilClose, .none:
            break
        }
        if closes { buffer.writeStaticString("Connection: close\r\n") }
        buffer.writeStaticString("\r\n")
    }

    /// The head of a change of protocol.
    static func writeSwitch(headers: [(String, String)], into buffer: inout ByteBuffer) {
        buffer.writeStaticString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        for (name, value) in headers {
            writeSafely(name, into: &buffer)
            buffer.writeStaticString(": ")
            writeSafely(value, into: &buffer)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    /// Headers may hold text that came from a client (warnings, names): it must not end the line.
    private static func writeSafely(_ text: String, into buffer: inout ByteBuffer) {
        if text.utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) {
            buffer.writeBytes(text.utf8.map { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f ? 0x20 : $0 })
        } else {
            buffer.writeString(text)
        }
    }
}

/// The `Date` header, rendered once per second.
private enum HTTPDate {
    private static let rendered = Mutex<(second: time_t, line: [UInt8])>((-1, []))

    static func write(into buffer: inout ByteBuffer) {
        let second = time(nil)
        rendered.withLock { rendered in
            if rendered.second != second { rendered = (second, Array("Date: \(text(second))\r\n".utf8)) }
            _ = buffer.writeBytes(rendered.line)
        }
    }

    private static func text(_ second: time_t) -> String {
        var second = second
        var parts = tm()
        gmtime_r(&second, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(days[Int(parts.tm_wday) % 7]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon) % 12]) "
            + "\(parts.tm_year + 1900) \(clock) GMT"
    }
}
