import Glibc

/// A point in time, in nanoseconds since 1970 (UTC), from 1677 to 2262.
public struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let unixNanos: Int64

    public init(unixNanos: Int64) { self.unixNanos = unixNanos }
    /// Saturates outside the range.
    public init(unixSeconds: Int64, nanos: Int64 = 0) {
        let (product, isOver) = unixSeconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isSumOver) = product.addingReportingOverflow(nanos)
        unixNanos = isOver || isSumOver ? (unixSeconds < 0 ? .min : .max) : sum
    }

    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)  // cannot fail for this clock
        return Timestamp(unixSeconds: Int64(time.tv_sec), nanos: Int64(time.tv_nsec))
    }

    /// Seconds since 1970, rounded down.
    public var unixSeconds: Int64 { unixNanos.flooredQuotient(1_000_000_000) }
    // The product may leave the range at its lower end; the difference does not.
    private var subsecondNanos: Int64 { unixNanos &- unixSeconds &* 1_000_000_000 }

    /// Without its fraction of a second, as `metav1.Time` stores it.
    public var roundedToSeconds: Timestamp { Timestamp(unixSeconds: unixSeconds) }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.unixNanos < right.unixNanos }

    public static func + (left: Timestamp, right: Duration) -> Timestamp {
        let (seconds, attoseconds) = right.components
        let (result, isOver) = left.unixNanos.addingReportingOverflow(
            Timestamp(unixSeconds: seconds, nanos: attoseconds / 1_000_000_000).unixNanos)
        return Timestamp(unixNanos: isOver ? (seconds < 0 ? .min : .max) : result)
    }
    public static func - (left: Timestamp, right: Duration) -> Timestamp { left + (.zero - right) }
    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        .nanoseconds(left.unixNanos.subtractingSaturating(right.unixNanos))
    }
    public static func += (left: inout Timestamp, right: Duration) { left = left + right }

    public var description: String { nano }
}

// MARK: RFC 3339

extension Timestamp {
    /// `2006-01-02T15:04:05Z`, the form of `metav1.Time`.
    public var rfc3339: String { text(fractionDigits: 0) }
    /// `2006-01-02T15:04:05.000000Z`, the form of `metav1.MicroTime`.
    public var micro: String { text(fractionDigits: 6) }
    /// `2006-01-02T15:04:05.000000000Z`, the form of log lines.
    public var nano: String { text(fractionDigits: 9) }

    private func text(fractionDigits: Int) -> String {
        Self.text(seconds: unixSeconds, nanos: subsecondNanos, fractionDigits: fractionDigits)
    }

    /// Of a year with four digits.
    static func text(seconds: Int64, nanos: Int64, fractionDigits: Int) -> String {
        let days = seconds.flooredQuotient(86_400)
        let secondOfDay = seconds - days * 86_400
        let date = CivilDate(daysSince1970: days)
        return String(unsafeUninitializedCapacity: 32) { buffer in
            var count = 0
            func put(_ value: Int64, _ width: Int, _ separator: Character) {
                var rest = value
                for offset in stride(from: width - 1, through: 0, by: -1) {
                    buffer[count + offset] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
                count += width
                buffer[count] = separator.asciiValue ?? 0x20
                count += 1
            }
            put(date.year, 4, "-")
            put(date.month, 2, "-")
            put(date.day, 2, "T")
            put(secondOfDay / 3600, 2, ":")
            put(secondOfDay / 60 % 60, 2, ":")
            put(secondOfDay % 60, 2, fractionDigits == 0 ? "Z" : ".")
            if fractionDigits > 0 {
                put(fractionDigits == 6 ? nanos / 1000 : nanos, fractionDigits, "Z")
            }
            return count
        }
    }

    /// Reads RFC 3339 with any fraction (beyond nanoseconds it is cut) and any offset, as Go does; nil for all else.
    /// Saturates outside the range.
    public init?(rfc3339 text: String) {
        do {
            let time = try WrittenTime.read(text, .seconds)
            self.init(unixSeconds: time.seconds, nanos: time.nanos)
        } catch {
            return nil
        }
    }

    /// From a field; nil where it is missing, null or no time.
    public init?(_ json: JSON) {
        guard let text = json.string else { return nil }
        self.init(rfc3339: text)
    }
}

/// A date of the proleptic Gregorian calendar. The conversions are Howard Hinnant's `chrono` algorithms.
struct CivilDate: Equatable {
    var year: Int64
    var month: Int64
    var day: Int64

    init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSince1970 days: Int64) {
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.flooredQuotient(400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func days(inMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity. The divisor is positive.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    fileprivate func subtractingSaturating(_ other: Int64) -> Int64 {
        let (result, isOver) = subtractingReportingOverflow(other)
        return isOver ? (other > 0 ? .min : .max) : result
    }
}
