@testable import KubeAPI
import Testing

@Suite struct JSONParserTests {
    @Test func readsEveryKindOfValue() throws {
        let json = try JSON.parse(
            #" {"a" : [1, -2.5, 1e3, true, false, null, "x"], "b":{}, "c":[], "": "\u00e9\n\ud83d\ude00" } "#)
        #expect(json["a"] == [1, -2.5, 1000, true, false, .null, "x"])
        #expect(json["b"] == .emptyObject)
        #expect(json["c"] == .array([]))
        #expect(json[""] == "é\n😀")
    }

    @Test(arguments: [
        ("0", JSON.int(0)), ("-0", .int(0)), ("9223372036854775807", .int(.max)),
        ("-9223372036854775808", .int(.min)), ("9223372036854775808", .double(9223372036854775808)),
        ("18446744073709551616", .double(18446744073709551616)), ("1.0", .double(1)), ("1E2", .double(100)),
        ("99999999999999999999", .double(1e20)), ("1e-400", .double(0)),
    ])
    func readsNumbers(text: String, expected: JSON) throws {
        let value = try JSON.parse(text)
        #expect(value == expected)
        if case .int = expected { #expect(value.description == expected.description) }
    }

    @Test(arguments: [
        ("", "unexpected end of JSON input", 0),
        ("  ", "unexpected end of JSON input", 2),
        ("{", "unexpected end of JSON input", 1),
        ("{\"a\"", "unexpected end of JSON input", 4),
        ("{\"a\":1", "unexpected end of JSON input", 6),
        ("\"abc", "unexpected end of JSON input", 4),
        ("}", "invalid character '}' looking for beginning of value", 0),
        ("{}x", "invalid character 'x' after top-level value", 2),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string", 7),
        ("[1,]", "invalid character ']' looking for beginning of value", 3),
        ("[1 2]", "invalid character '2' after array element", 3),
        ("{\"a\" 1}", "invalid character '1' after object key", 5),
        ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair", 7),
        ("tru", "invalid character ' ' in literal true (expecting 'e')", 3),
        ("trux", "invalid character 'x' in literal true (expecting 'e')", 3),
        ("01", "invalid character '1' after top-level value", 1),
        ("-", "invalid character ' ' in numeric literal", 1),
        ("-x", "invalid character 'x' in numeric literal", 1),
        ("1.", "invalid character ' ' after decimal point in numeric literal", 2),
        ("1.x", "invalid character 'x' after decimal point in numeric literal", 2),
        ("1ex", "invalid character 'x' in exponent of numeric literal", 2),
        ("1e", "invalid character ' ' in exponent of numeric literal", 2),
        ("\"\\", "invalid character ' ' in string escape code", 2),
        ("\"\\u12", "invalid character ' ' in \\u hexadecimal character escape", 5),
        ("\"\\x\"", "invalid character 'x' in string escape code", 2),
        ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape", 5),
        ("\"a\nb\"", #"invalid character '\n' in string literal"#, 2),
        ("\"\u{1}\"", #"invalid character '\x01' in string literal"#, 1),
        ("1e999", "number 1e999 out of range", 0),
        (".5", "invalid character '.' looking for beginning of value", 0),
        ("+1", "invalid character '+' looking for beginning of value", 0),
        ("NaN", "invalid character 'N' looking for beginning of value", 0),
    ])
    func refusesInGoWords(text: String, message: String, offset: Int) {
        #expect(throws: JSONError(message, offset: offset)) { try JSON.parse(text) }
    }

    /// A byte is shown as the character of its number, escaped as Go does it.
    @Test(
        arguments: [
            (0x07, #"'\a'"#), (0x08, #"'\b'"#), (0x0b, #"'\v'"#), (0x0c, #"'\f'"#), (0x00, #"'\x00'"#),
            (0x1f, #"'\x1f'"#),
            (0x5c, #"'\\'"#), (0x7f, #"'\x7f'"#), (0x80, #"'\u0080'"#), (0xa0, #"'\u00a0'"#), (0xad, #"'\u00ad'"#),
            (0xe9, "'é'"), (0xff, "'ÿ'"), (0x27, #"'\''"#),
        ] as [(UInt8, String)])
    func showsTheByte(byte: UInt8, shown: String) {
        #expect(throws: JSONError("invalid character \(shown) looking for beginning of value", offset: 0)) {
            try JSON.parse([byte])
        }
    }

    @Test(
        arguments: [
            [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xe2, 0x82, 0x22],
            [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], [0x7b, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x7d],
        ] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSON.parse(bytes) }
    }

    @Test func replacesLoneSurrogates() throws {
        #expect(try JSON.parse(#""\ud800""#) == "\u{fffd}")
        #expect(try JSON.parse(#""\ud800\u0041\udc00""#) == "\u{fffd}A\u{fffd}")
        #expect(try JSON.parse(#""\ud800\ud83d\ude00""#) == "\u{fffd}😀")
    }

    @Test func boundsDepth() throws {
        let limit = 512
        _ = try JSON.parse(String(repeating: "[", count: limit) + String(repeating: "]", count: limit))
        #expect(throws: JSONError("exceeded max depth", offset: limit)) {
            try JSON.parse(String(repeating: "[", count: 100_000))
        }
        #expect(throws: JSONError.self) { try JSON.parse(String(repeating: "{\"a\":", count: 100_000)) }
    }

    @Test func lastDuplicateWinsInItsFirstPlace() throws {
        let json = try JSON.parse(#"{"a":1,"b":2,"a":3,"\u0061":4}"#)
        #expect(json.description == #"{"a":4,"b":2}"#)
    }

    @Test func reportsDuplicatesByPath() throws {
        var duplicates: [String] = []
        let text = #"{"spec":{"x":1,"x":2,"containers":[{"image":"a"},{"image":"b","image":"c"}]},"spec":{}}"#
        let json = try JSON.parse(Array(text.utf8), duplicates: &duplicates)
        #expect(duplicates == ["spec.x", "spec.containers[1].image", "spec"])
        #expect(json.description == #"{"spec":{}}"#)
    }

    @Test func largeObjectsKeepOrderAndFindDuplicates() throws {
        var text = "{"
        for number in 0..<1000 { text += "\"key-number-\(number)\":\(number)," }
        text += "\"key-number-7\":\"again\"}"
        var duplicates: [String] = []
        var json = try JSON.parse(Array(text.utf8), duplicates: &duplicates)
        #expect(duplicates == ["key-number-7"])
        #expect(json.object?.count == 1000)
        #expect(json["key-number-7"] == "again")
        #expect(json["key-number-999"] == 999)
        json["key-number-3"] = .null
        #expect(json["key-number-999"] == 999)
        #expect(json["key-number-3"].isNull)
        #expect(
            json.object?.names.prefix(5) == [
                "key-number-0", "key-number-1", "key-number-2", "key-number-4", "key-number-5",
            ])
    }

    @Test func longNamesWithSameEndsStayApart() throws {
        let json = try JSON.parse(
            #"{"aaaaaaaaX1bbbbbbbb":1,"aaaaaaaaX2bbbbbbbb":2,"terminationGracePeriodSeconds":3,"terminationGracePeriodSecondz":4}"#
        )
        #expect(json.object?.count == 4)
        #expect(json["aaaaaaaaX2bbbbbbbb"] == 2)
        #expect(json["terminationGracePeriodSeconds"] == 3)
    }

    @Test func placesTellWhereMembersCame() {
        let text = #"{"a":1,"b":{"c":[{"d":1,"d":2}]},"a":2,"a":3}"#
        let places = JSON.places(of: ["a", "b.c[0].d", "b", "nowhere"], in: Array(text.utf8))
        #expect(places == ["a": [5, 37], "b": [11], "b.c[0].d": [22, 28]])
    }
}
