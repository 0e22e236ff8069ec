import KubeAPI
import Testing

@Suite struct JSONWriterTests {
    @Test func escapesWhatMustBe() {
        let text = "plain \"quoted\" back\\slash \u{0}\u{1f}\u{8}\u{c}\n\r\t é \u{2028} 😀 and a long clean tail"
        #expect(
            JSON.string(text).description
                == "\"plain \\\"quoted\\\" back\\\\slash \\u0000\\u001f\\b\\f\\n\\r\\t é \u{2028} 😀 and a long clean tail\""
        )
    }

    @Test(arguments: [
        (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (100, "100"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1.5e300, "1.5e+300"), (1e-6, "0.000001"), (1e-7, "1e-7"), (1.25e-7, "1.25e-7"), (5e-324, "5e-324"),
        (123456.789, "123456.789"), (-0.0, "-0"), (.infinity, "null"), (.nan, "null"),
        (0.30000000000000004, "0.30000000000000004"),
        (9007199254740993, "9007199254740992"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    ])
    func writesDoublesAsGo(number: Double, expected: String) {
        #expect(JSON.double(number).description == expected)
    }

    @Test(arguments: [0, 7, -7, 10, 99, 100, 1_234_567_890_123, .max, .min] as [Int64])
    func writesIntegers(number: Int64) {
        #expect(JSON.int(number).description == String(number))
    }

    @Test func prettyPrints() {
        let json: JSON = ["a": [1, ["b": "c"]], "e": [:], "f": []]
        #expect(
            String(decoding: json.prettyPrinted(), as: UTF8.self) == """
                {
                  "a": [
                    1,
                    {
                      "b": "c"
                    }
                  ],
                  "e": {},
                  "f": []
                }

                """)
    }

    @Test func appendsToWhatIsThere() {
        var bytes = Array("data: ".utf8)
        JSON.array([1, "x"]).write(into: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == #"data: [1,"x"]"#)
    }

    @Test func writesPathsInOneGo() {
        var pod: JSON = .null
        pod["status"]["phase"] = "Running"
        pod["status"]["podIP"] = .null
        pod["spec"]["nodeName"] = .null
        pod["metadata"]["finalizers"].append("a")
        #expect(pod.description == #"{"status":{"phase":"Running"},"metadata":{"finalizers":["a"]}}"#)
        pod["status"]["phase"] = .null
        #expect(pod.description == #"{"status":{},"metadata":{"finalizers":["a"]}}"#)
    }
}
