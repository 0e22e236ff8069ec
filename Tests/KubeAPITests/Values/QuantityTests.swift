@testable import KubeAPI
import Testing

@Suite struct QuantityTests {
    private func quantity(_ text: String) throws -> Quantity { try #require(Quantity(text)) }

    // MARK: spelling

    @Test(arguments: [
        ("0", "0"), ("0Mi", "0"), ("-0", "0"), ("00.00k", "0"), ("1", "1"), ("+1", "1"), ("007", "7"), ("1.", "1"),
        (".5", "500m"),
        ("100m", "100m"), ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), ("1.5", "1500m"), ("1k", "1k"),
        ("1000", "1k"),
        ("1500", "1500"), ("1000000", "1M"), ("1.5G", "1500M"), ("1E", "1E"), ("1P", "1P"), ("1T", "1T"),
        ("1Ki", "1Ki"), ("1024Ki", "1Mi"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("512", "512"), ("1024", "1024"),
        ("1023Ki", "1023Ki"),
        ("0.5Ki", "512"), ("0.1Ki", "102400m"), ("1Ei", "1Ei"), ("2048Mi", "2Gi"), ("1536Mi", "1536Mi"),
        ("1e3", "1e3"), ("1E3", "1e3"), ("2.5e3", "2500"), ("1e-3", "1e-3"), ("12e1", "120"), ("1e0", "1"),
        ("1e9", "1e9"), ("5e+2", "500"),
        ("1n", "1n"), ("1u", "1u"), ("1000n", "1u"), ("0.1n", "1n"), ("1.0000000001", "1000000001n"),
        ("-1.5", "-1500m"), ("-0.1n", "-1n"),
        ("9223372036854775807", "9223372036854775807"), ("9223372036854775808", "9223372036854775807"),
        ("16Ei", "9223372036854775807"),
        ("-1000Ei", "-9223372036854775807"), ("1e100", "9223372036854775807e0"),
    ])
    func hasOneSpelling(text: String, canonical: String) throws {
        // The largest amount has no exponent to show.
        #expect(try quantity(text).description == canonical.replacing("e0", with: ""))
        #expect(try quantity(quantity(text).description) == quantity(text))
    }

    @Test(arguments: [
        "", "+", "-", ".", "m", "1 ", " 1", "1mm", "1ki", "1KI", "1K", "1Kib", "0x1", "1,5", "1.1.1", "--1", "1e",
        "1e+", "1e1.5", "1i", "1mi",
        "１", "NaN", "1_000", "e3",
    ])
    func refuses(text: String) {
        #expect(Quantity(text) == nil)
    }

    /// What Kubernetes' parser takes for canonical at a glance stays as it was written.
    @Test(arguments: [
        ("2.500", "2.500"), ("1.500G", "1.500G"), ("1.000841G", "1.000841G"), ("+5", "+5"), ("+1Gi", "+1Gi"),
        ("1500E3", "1500E3"),
        ("0.500", "500m"), ("2.000", "2"), ("1.5", "1500m"), ("1000", "1k"), ("1024Mi", "1Gi"), ("1025Mi", "1025Mi"),
        (" 1 ", "1"),
        ("8Mi", "8Mi"), ("1.5Gi", "1536Mi"), ("100", "100"),
    ])
    func isStoredAsKubernetesStoresIt(text: String, stored: String) {
        #expect(Quantity.storedText(text) == stored)
    }

    @Test func readsFields() {
        #expect(Quantity(JSON.int(5))?.description == "5")
        #expect(Quantity(JSON.double(0.25))?.description == "250m")
        #expect(Quantity(JSON.string(" 1Gi "))?.description == "1Gi")
        #expect(Quantity(JSON.bool(true)) == nil)
        #expect(Quantity(JSON.null) == nil)
    }

    // MARK: amounts

    @Test(
        arguments: [
            ("1", 1, 1000), ("1500m", 2, 1500), ("1m", 1, 1), ("1n", 1, 1), ("-1500m", -2, -1500),
            ("1Gi", 1 << 30, 1000 << 30),
            ("0.1Ki", 103, 102_400), ("9223372036854775807", .max, .max),
        ] as [(String, Int64, Int64)])
    func roundsAwayFromZero(text: String, value: Int64, milliValue: Int64) throws {
        #expect(try quantity(text).value == value)
        #expect(try quantity(text).milliValue == milliValue)
    }

    @Test func comparesAmounts() throws {
        #expect(try quantity("1") == quantity("1000m"))
        #expect(try quantity("1Ki") == quantity("1024"))
        #expect(try quantity("1k") < quantity("1Ki"))
        #expect(try quantity("-1") < quantity("1n"))
        #expect(try Set([quantity("1"), quantity("1000m"), quantity("1e0")]).count == 1)
    }

    @Test func addsAndSubtracts() throws {
        #expect(try (quantity("500m") + quantity("500m")).description == "1")
        #expect(try (quantity("1Gi") + quantity("1Mi")).description == "1025Mi")
        #expect(try (quantity("1Gi") + quantity("1")).description == "1073741825")
        #expect(try (quantity("1Gi") - quantity("1Gi")).description == "0")
        #expect(try (quantity("100m") - quantity("1")).description == "-900m")
        // The first one's form, or the second's where there is none.
        #expect(try (quantity("1M") + quantity("1Mi")).description == "2048576")
        #expect(try (Quantity.zero + quantity("1Gi")).description == "1Gi")
        #expect(try (-quantity("1Gi")).description == "-1Gi")
    }

    @Test func sumsAreCappedAndNeverWrap() throws {
        let most = Quantity(.max, format: .decimalSI)
        #expect(most + most == most)
        #expect(-most - most == -most)
        var sum = Quantity.zero
        for _ in 0..<100 { sum += most }
        #expect(sum.value == .max)
    }

    @Test func makesQuantities() {
        #expect(Quantity(milliValue: 250).description == "250m")
        #expect(Quantity(1 << 30, format: .binarySI).description == "1Gi")
        #expect(Quantity.zero.isZero)
        #expect(Quantity(milliValue: -5).sign == -1)
        #expect(Quantity(milliValue: 1500).doubleValue == 1.5)
    }

    /// Any amount reads back from its spelling.
    @Test func roundTrips() throws {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 3000 {
            var random = SeededGenerator(seed: seed)
            let nanos =
                Int128(Int64(bitPattern: random.next()) >> Int.random(in: 0..<64, using: &random))
                * [1, 1_000_000, 1_000_000_000][Int.random(in: 0..<3, using: &random)]
            for format in [Quantity.Format.binarySI, .decimalSI, .decimalExponent] {
                let value = Quantity(nanos: nanos, format: format)
                #expect(Quantity(value.description) == value, "seed \(seed)")
            }
        }
    }

    @Test func survivesLongText() {
        let digits = String(repeating: "9", count: 100_000)
        #expect(Quantity(digits)?.value == .max)
        #expect(Quantity("0.\(digits)")?.value == 1)
        #expect(Quantity("1e\(digits)")?.value == .max)
        #expect(Quantity("1e-\(digits)")?.description == "1e-9")
    }
}
