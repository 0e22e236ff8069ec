import KubeAPI
import Testing

@Suite struct IntOrStringTests {
    @Test func readsNumbersAndText() {
        #expect(IntOrString(JSON.int(80)) == .int(80))
        #expect(IntOrString("http") == .string("http"))
        #expect(IntOrString(JSON.double(80)) == .int(80))
        #expect(IntOrString(JSON.bool(true)) == nil)
        #expect(IntOrString(JSON.null) == nil)
        #expect(IntOrString.int(80).json == 80)
        #expect(IntOrString.string("x").description == "x")
    }

    @Test(arguments: [
        ("25%", 10, true, 3), ("25%", 10, false, 2), ("0%", 10, true, 0), ("100%", 7, true, 7), ("1%", 1000, false, 10),
        ("50%", 0, true, 0),
    ])
    func scales(text: String, total: Int, roundsUp: Bool, expected: Int) {
        #expect(IntOrString.string(text).scaled(total: total, roundsUp: roundsUp) == expected)
    }

    @Test(arguments: ["%", "a%", "-5%", "25", "2.5%", "+5%", "25%%", "99999999999999999999%"])
    func refusesOtherText(text: String) {
        #expect(IntOrString.string(text).scaled(total: 10, roundsUp: true) == nil)
    }

    @Test func numbersStandForThemselves() {
        #expect(IntOrString.int(5).scaled(total: 100, roundsUp: true) == 5)
        #expect(IntOrString.string("9223372036854775807%").scaled(total: 100, roundsUp: true) == nil)
    }
}
