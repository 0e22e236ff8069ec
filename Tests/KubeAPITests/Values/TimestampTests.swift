@testable import KubeAPI
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2024-02-29T23:59:59Z", 1_709_251_199), ("1969-12-31T23:59:59Z", -1),
            ("2024-01-02T03:04:05+02:00", 1_704_157_445), ("2024-01-02T03:04:05-00:30", 1_704_166_445),
            ("2000-01-01T00:00:00Z", 946_684_800),
            ("1900-03-01T00:00:00Z", -2_203_891_200), ("2024-01-02T03:04:05.999999999999Z", 1_704_164_645),
            ("2024-01-02T00:00:00+24:00", 1_704_067_200),
        ] as [(String, Int64)])
    func reads(text: String, seconds: Int64) throws {
        #expect(try #require(Timestamp(rfc3339: text)).unixSeconds == seconds)
    }

    @Test(arguments: [
        "", "2024", "2024-01-02", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05", "2024-01-02T03:04:05z",
        "2024-01-02t03:04:05Z",
        "2024-13-02T03:04:05Z", "2024-02-30T03:04:05Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2024-01-02T24:00:00Z",
        "2024-01-02T03:60:05Z", "2024-01-02T03:04:60Z", "2024-01-02T03:04:05.Z", "2024-01-02T03:04:05+0200",
        "2024-01-02T03:04:05+25:00",
        "2024-01-02T03:04:05Zx", "+024-01-02T03:04:05Z", "2024-00-02T03:04:05Z", "2024-01-00T03:04:05Z",
    ])
    func refuses(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(arguments: [
        ("x", #"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
        (
            "2024-1-02T03:04:05Z",
            #"parsing time "2024-1-02T03:04:05Z" as "2006-01-02T15:04:05Z07:00": cannot parse "1-02T03:04:05Z" as "01""#
        ),
        (
            "2024-01-02 03:04:05Z",
            #"parsing time "2024-01-02 03:04:05Z" as "2006-01-02T15:04:05Z07:00": cannot parse " 03:04:05Z" as "T""#
        ),
        ("2024-13-02T03:04:05Z", #"parsing time "2024-13-02T03:04:05Z": month out of range"#),
        ("2024-02-30T03:04:05Z", #"parsing time "2024-02-30T03:04:05Z": day out of range"#),
        ("2024-01-02T25:04:05Z", #"parsing time "2024-01-02T25:04:05Z": hour out of range"#),
        (
            "2024-01-02T03:04:05",
            #"parsing time "2024-01-02T03:04:05" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00""#
        ),
        ("2024-01-02T03:04:05Zx", #"parsing time "2024-01-02T03:04:05Zx": extra text: "x""#),
        ("2024-01-02T03:04:05+99:00", #"parsing time "2024-01-02T03:04:05+99:00": time zone offset hour out of range"#),
    ])
    func refusesInGoWords(text: String, message: String) {
        #expect(throws: WrittenTime.Failure(message: message)) { try WrittenTime.read(text, .seconds) }
    }

    @Test func microTimesAreStrict() throws {
        #expect(try WrittenTime.read("2024-01-02T03:04:05.000006Z", .micro).nanos == 6000)
        for text in ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.1Z", "2024-01-02T03:04:05.1234567Z"] {
            #expect(throws: WrittenTime.Failure.self) { try WrittenTime.read(text, .micro) }
        }
    }

    @Test func writes() {
        let time = Timestamp(unixSeconds: 1_704_164_645, nanos: 123_456_789)
        #expect(time.rfc3339 == "2024-01-02T03:04:05Z")
        #expect(time.micro == "2024-01-02T03:04:05.123456Z")
        #expect(time.nano == "2024-01-02T03:04:05.123456789Z")
        #expect(Timestamp(unixNanos: -1).nano == "1969-12-31T23:59:59.999999999Z")
        #expect(Timestamp(unixNanos: .min).rfc3339 == "1677-09-21T00:12:43Z")
        #expect(Timestamp(unixNanos: .max).rfc3339 == "2262-04-11T23:47:16Z")
    }

    @Test func everyDayReadsBack() throws {
        for day in stride(from: -100_000 as Int64, through: 100_000, by: 7) {
            let date = CivilDate(daysSince1970: day)
            #expect(date.daysSince1970 == day)
            #expect((1...12).contains(date.month))
            #expect((1...CivilDate.days(inMonth: date.month, year: date.year)).contains(date.day))
        }
    }

    @Test func saturates() throws {
        #expect(Timestamp(rfc3339: "9999-12-31T23:59:59Z")?.unixNanos == .max)
        #expect(Timestamp(rfc3339: "0001-01-01T00:00:00Z")?.unixNanos == .min)
        #expect(Timestamp(unixNanos: .max) + .seconds(1) == Timestamp(unixNanos: .max))
        #expect(Timestamp(unixNanos: .min) - .seconds(1) == Timestamp(unixNanos: .min))
        #expect(Timestamp(unixNanos: .max) - Timestamp(unixNanos: .min) == .nanoseconds(Int64.max))
    }

    @Test func calculates() {
        let time = Timestamp(unixSeconds: 100)
        #expect(time + .milliseconds(1500) == Timestamp(unixSeconds: 101, nanos: 500_000_000))
        #expect(time - .seconds(1) == Timestamp(unixSeconds: 99))
        #expect(time - Timestamp(unixSeconds: 40) == .seconds(60))
        #expect(Timestamp(unixSeconds: 1, nanos: 9).roundedToSeconds == Timestamp(unixSeconds: 1))
        #expect(Timestamp(JSON.string("1970-01-01T00:00:01Z")) == Timestamp(unixSeconds: 1))
        #expect(Timestamp(JSON.null) == nil)
    }
}
