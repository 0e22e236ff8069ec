@testable import KubeAPI
import Testing

@Suite struct GoDurationTests {
    @Test(
        arguments: [
            ("0", 0), ("+0", 0), ("1s", 1_000_000_000), ("1h5m", 3_900_000_000_000), ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            ("-1.5h", -5_400_000_000_000), ("1us", 1000), ("1µs", 1000), ("1μs", 1000), ("1ns", 1),
            ("1.s", 1_000_000_000), (".5s", 500_000_000),
            ("1.9ns", 1), (".5ns", 0), ("3.333333333333333333333s", 3_333_333_333),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("2562047h47m16.854775807s", .max), ("0s", 0), ("1m1m", 120_000_000_000),
        ] as [(String, Int64)])
    func reads(text: String, nanos: Int64) throws {
        #expect(try #require(Duration(goDuration: text)).nanoseconds == nanos)
    }

    @Test(arguments: [
        "", "1", "-", "s", "1d", "1 s", " 1s", "1s ", "--1s", "1.1.1s", ".s", "1S", "2562048h", "1e3s", "0x1s",
    ])
    func refuses(text: String) {
        #expect(Duration(goDuration: text) == nil)
    }

    @Test(
        arguments: [
            (0, "0s"), (1, "1ns"), (1100, "1.1µs"), (2_200_000, "2.2ms"), (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"), (5_025_000_000_500, "1h23m45.0000005s"), (-1_500_000_000, "-1.5s"),
            (100_000_000, "100ms"),
            (.max, "2562047h47m16.854775807s"), (86_400_000_000_000, "24h0m0s"),
        ] as [(Int64, String)])
    func writesAsGo(nanos: Int64, text: String) {
        #expect(Duration.nanoseconds(nanos).goDescription == text)
    }

    /// `duration.HumanDuration`, at its edges.
    @Test(
        arguments: [
            (-2, "<invalid>"), (-1, "0s"), (0, "0s"), (1, "1s"), (119, "119s"), (120, "2m"), (125, "2m5s"),
            (599, "9m59s"), (600, "10m"),
            (10_799, "179m"), (10_800, "3h"), (11_000, "3h3m"), (28_799, "7h59m"), (28_800, "8h"), (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"), (691_199, "7d23h"), (691_200, "8d"), (63_071_999, "729d"), (63_072_000, "2y"),
            (65_000_000, "2y22d"),
            (252_287_999, "7y364d"), (252_288_000, "8y"), (999_999_999, "31y"),
        ] as [(Int64, String)])
    func showsAges(seconds: Int64, text: String) {
        #expect(Duration.seconds(seconds).humanDescription == text)
    }

    @Test func roundTrips() {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 2000 {
            var random = SeededGenerator(seed: seed)
            let nanos = Int64(bitPattern: random.next()) >> Int.random(in: 0..<64, using: &random)
            guard nanos != .min else { continue }
            let duration = Duration.nanoseconds(nanos)
            #expect(Duration(goDuration: duration.goDescription)?.nanoseconds == nanos, "seed \(seed)")
        }
    }
}
