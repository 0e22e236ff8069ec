/// A time as the API writes it, of any year with four digits: more than `Timestamp` can count. Read as Go's `time.Parse`
/// reads it, and refused in its words.
struct WrittenTime: Equatable {
    /// Which of Go's layouts a field has.
    enum Layout: String {
        /// `metav1.Time`: any fraction may follow the seconds.
        case seconds = "2006-01-02T15:04:05Z07:00"
        /// `metav1.MicroTime`: six digits, no more and no less.
        case micro = "2006-01-02T15:04:05.000000Z07:00"

        var fractionDigits: Int { self == .seconds ? 0 : 6 }
    }

    struct Failure: Error, Equatable {
        let message: String
    }

    /// Since 1970 (UTC), rounded down.
    let seconds: Int64
    /// From 0 to 999,999,999.
    let nanos: Int64

    /// The first of January of the year 1, which Go's types take for no time.
    var isZero: Bool { seconds == -62_135_596_800 && nanos == 0 }

    /// Nil for years that have no four digits, as an offset may make them.
    func text(fractionDigits: Int) -> String? {
        guard (-62_167_219_200..<253_402_300_800).contains(seconds) else { return nil }
        return Timestamp.text(seconds: seconds, nanos: nanos, fractionDigits: fractionDigits)
    }

    static func read(_ text: String, _ layout: Layout) throws(Failure) -> WrittenTime {
        var reader = Reader(text: text, layout: layout)
        return try reader.read()
    }

    private struct Reader {
        private let text: String
        private let layout: Layout
        private let bytes: [UInt8]
        private var position = 0

        init(text: String, layout: Layout) {
            self.text = text
            self.layout = layout
            bytes = Array(text.utf8)
        }

        // MARK: errors

        private var quoted: String { JSON.string(text).printed }

        private func cannotParse(_ element: String) -> Failure {
            let rest = String(decoding: bytes[position...], as: UTF8.self)
            return Failure(
                message:
                    "parsing time \(quoted) as \"\(layout.rawValue)\": cannot parse \(JSON.string(rest).printed) as \"\(element)\""
            )
        }

        private func outOfRange(_ what: String) -> Failure {
            Failure(message: "parsing time \(quoted): \(what) out of range")
        }

        // MARK: parts

        private func isDigit(at index: Int) -> Bool { index < bytes.count && bytes[index] &- 0x30 < 10 }

        private mutating func number(_ width: Int, _ element: String) throws(Failure) -> Int64 {
            var value: Int64 = 0
            for index in position..<position + width {
                guard isDigit(at: index) else { throw cannotParse(element) }
                value = value * 10 + Int64(bytes[index] &- 0x30)
            }
            position += width
            return value
        }

        private mutating func skip(_ separator: Character) throws(Failure) {
            guard position < bytes.count, bytes[position] == separator.asciiValue else {
                throw cannotParse(String(separator))
            }
            position += 1
        }

        private func isFractionMark(at index: Int) -> Bool {
            index < bytes.count && (bytes[index] == UInt8(ascii: ".") || bytes[index] == UInt8(ascii: ","))
        }

        /// Digits beyond nanoseconds are cut.
        private mutating func fraction(_ count: Int) -> Int64 {
            var nanos: Int64 = 0
            var unit: Int64 = 100_000_000
            for index in position..<position + count {
                nanos += Int64(bytes[index] &- 0x30) * unit
                unit /= 10
            }
            position += count
            return nanos
        }

        private mutating func nanos() throws(Failure) -> Int64 {
            switch layout {
            case .micro:
                guard isFractionMark(at: position), (1...6).allSatisfy({ isDigit(at: position + $0) }) else {
                    throw cannotParse(".000000")
                }
                position += 1
                return fraction(6)
            case .seconds:
                guard isFractionMark(at: position), isDigit(at: position + 1) else { return 0 }
                position += 1
                return fraction(bytes[position...].prefix { $0 &- 0x30 < 10 }.count)
            }
        }

        /// Seconds east of UTC.
        private mutating func offset() throws(Failure) -> Int64 {
            let element = "Z07:00"
            if position < bytes.count, bytes[position] == UInt8(ascii: "Z") {
                position += 1
                return 0
            }
            let start = position
            guard bytes.count - position >= 6, bytes[position + 3] == UInt8(ascii: ":") else {
                throw cannotParse(element)
            }
            let sign: Int64
            switch bytes[position] {
            case UInt8(ascii: "+"): sign = 1
            case UInt8(ascii: "-"): sign = -1
            default: throw cannotParse(element)
            }
            guard [1, 2, 4, 5].allSatisfy({ isDigit(at: start + $0) }) else { throw cannotParse(element) }
            position += 1
            let hours = try number(2, element)
            position += 1
            let minutes = try number(2, element)
            // A whole day and a whole hour are what some people write.
            if hours > 24 { throw outOfRange("time zone offset hour") }
            if minutes > 60 { throw outOfRange("time zone offset minute") }
            return sign * (hours * 3600 + minutes * 60)
        }

        mutating func read() throws(Failure) -> WrittenTime {
            let year = try number(4, "2006")
            try skip("-")
            let month = try number(2, "01")
            guard (1...12).contains(month) else { throw outOfRange("month") }
            try skip("-")
            let day = try number(2, "02")
            try skip("T")
            let hour = try number(2, "15")
            guard hour < 24 else { throw outOfRange("hour") }
            try skip(":")
            let minute = try number(2, "04")
            guard minute < 60 else { throw outOfRange("minute") }
            try skip(":")
            let second = try number(2, "05")
            guard second < 60 else { throw outOfRange("second") }
            let nanos = try nanos()
            let offset = try offset()
            guard position == bytes.count else {
                let rest = String(decoding: bytes[position...], as: UTF8.self)
                throw Failure(message: "parsing time \(quoted): extra text: \(JSON.string(rest).printed)")
            }
            guard day >= 1, day <= CivilDate.days(inMonth: month, year: year) else { throw outOfRange("day") }
            let days = CivilDate(year: year, month: month, day: day).daysSince1970
            return WrittenTime(seconds: days * 86_400 + hour * 3600 + minute * 60 + second - offset, nanos: nanos)
        }
    }
}
