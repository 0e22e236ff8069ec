import Testing

@testable import Transport

@Suite struct RequestTargetTests {
    @Test func takesTargetsApart() throws {
        let target = try #require(RequestTarget("/a%2Fb/c?x=1&y=a+b%26&flag&x="))
        #expect(target.path == "/a/b/c")
        #expect(target.rawPath == "/a%2Fb/c")
        #expect(target.rawQuery == "x=1&y=a+b%26&flag&x=")
        #expect(target.query.map { "\($0.name)=\($0.value)" } == ["x=1", "y=a b&", "flag=", "x="])
        // A plus in a path is a plus.
        #expect(RequestTarget("/a+b")?.path == "/a+b")
        #expect(RequestTarget("https://host:1/p?q=r")?.path == "/p")
        #expect(RequestTarget("http://host")?.path == "/")
        #expect(RequestTarget("http://host?q=r")?.query.first?.value == "r")
        #expect(RequestTarget("*")?.path == "*")
    }

    @Test(arguments: [
        "", "x", "//%", "/%", "/%4", "/%4g", "/%00", "/%c3%28", "/a?b=%zz", "/a#f", "http://", "http:///p", "ftp://h/",
    ])
    func refusesMalformedTargets(_ target: String) { #expect(RequestTarget(target) == nil) }

    @Test func boundsTheNumberOfParameters() {
        #expect(RequestTarget("/?" + String(repeating: "a&", count: 1_000)) != nil)
        #expect(RequestTarget("/?" + String(repeating: "a&", count: 1_001)) == nil)
    }

    @Test func encodesWhatItDecodes() throws {
        let query = [(name: "labelSelector", value: "a in (b,c),d!=é"), (name: "x", value: "1+1 & more")]
        let text = PercentCoding.target(path: "/api/v1/ns/ä b", query: query)
        let target = try #require(RequestTarget(text))
        #expect(target.path == "/api/v1/ns/ä b")
        #expect(target.query.map(\.value) == query.map(\.value))
    }

    @Test func readsURLs() throws {
        let url = try HTTPURL("https://[::1]:6443/x?y")
        #expect(url.host == "::1" && url.port == 6443 && url.target == "/x?y" && url.authority == "[::1]:6443")
        #expect(try HTTPURL("http://h").target == "/")
        #expect(try HTTPURL("http://h?a").target == "/?a")
        let malformed = [
            "", "h", "ftp://h", "http://", "http://h:0/", "http://h:99999/", "http://u@h/", "http://[::1/",
            "http://h/ b",
        ]
        for bad in malformed {
            #expect(throws: TransportError.self) { try HTTPURL(bad) }
        }
    }
}
