@testable import KubeAPI
import Testing

@Suite struct NameTests {
    private let label =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    private let subdomain =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

    @Test func labels() {
        for good in ["a", "0", "a-b", "a--b", String(repeating: "x", count: 63)] {
            #expect(NameValidation.dns1123Label(good) == [])
        }
        for bad in ["", "A", "-a", "a-", "a_b", "é", "a b", "a\n"] {
            #expect(NameValidation.dns1123Label(bad) == [label])
        }
        #expect(NameValidation.dns1123Label("a.b") == ["must not contain dots"])
        #expect(
            NameValidation.dns1123Label(String(repeating: "x", count: 64)) == ["must be no more than 63 characters"])
    }

    @Test func subdomains() {
        for good in ["a", "a.b", "a-b.c1", String(repeating: "x", count: 253)] {
            #expect(NameValidation.dns1123Subdomain(good) == [])
        }
        for bad in ["", "A", "a..b", ".a", "a.", "a_b", "-a.b", "a.-b"] {
            #expect(NameValidation.dns1123Subdomain(bad) == [subdomain])
        }
        #expect(
            NameValidation.dns1123Subdomain(String(repeating: "x", count: 254)) == [
                "must be no more than 253 characters"
            ])
    }

    @Test func labelsOfServices() {
        for good in ["a", "a1", "a-b"] { #expect(NameValidation.dns1035Label(good) == []) }
        for bad in ["1a", "", "a.b", "A", "a-"] {
            #expect(
                NameValidation.dns1035Label(bad) == [
                    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                ])
        }
    }

    @Test func qualifiedNames() {
        for good in ["a", "A.b_c-d", "example.com/MyName", "a/b"] { #expect(NameValidation.qualifiedName(good) == []) }
        #expect(NameValidation.qualifiedName("/a") == ["prefix part must be non-empty"])
        #expect(NameValidation.qualifiedName("A/a") == ["prefix part \(subdomain)"])
        let name =
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        #expect(NameValidation.qualifiedName("a/") == ["name part must be non-empty", name])
        #expect(NameValidation.qualifiedName("_a") == [name])
        #expect(
            NameValidation.qualifiedName(String(repeating: "x", count: 64)) == [
                "name part must be no more than 63 bytes"
            ])
        #expect(NameValidation.qualifiedName("a/b/c").count == 1)
    }

    @Test func labelValues() {
        for good in ["", "a", "A_b.c-1", String(repeating: "x", count: 63)] {
            #expect(NameValidation.labelValue(good) == [])
        }
        for bad in ["-a", "a-", "a b", "é", "a/b"] { #expect(NameValidation.labelValue(bad).count == 1) }
    }

    @Test(arguments: [
        ("http", []), ("a", []),
        (
            "",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must contain at least one letter (a-z)",
            ]
        ),
        ("80", ["must contain at least one letter (a-z)"]), ("a--b", ["must not contain consecutive hyphens"]),
        ("-a", ["must not begin or end with a hyphen"]),
        (
            "A",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must contain at least one letter (a-z)",
            ]
        ),
        ("a-port-name-that-is-long", ["must be no more than 15 characters"]),
    ])
    func portNames(name: String, errors: [String]) {
        #expect(NameValidation.portName(name) == errors)
    }

    @Test func otherNames() {
        #expect(NameValidation.configMapKey("a.b_c-D") == [])
        #expect(NameValidation.configMapKey("..") == ["must not be '..'"])
        #expect(NameValidation.configMapKey("..a") == ["must not start with '..'"])
        #expect(NameValidation.configMapKey("a/b").count == 1)
        #expect(NameValidation.environmentName("any thing!") == [])
        #expect(NameValidation.environmentName("") == ["environment variable name must be non-empty"])
        #expect(NameValidation.environmentName("a=b").count == 1)
        #expect(NameValidation.pathSegment("..") == ["may not be '..'"])
        #expect(NameValidation.pathSegment("a/b%c") == ["may not contain '/'", "may not contain '%'"])
        #expect(NameValidation.portNumber(0) == ["must be between 1 and 65535, inclusive"])
        #expect(NameValidation.portNumber(65535) == [])
        #expect(NameValidation.ipAddress("1.2.3.4") == [])
        #expect(NameValidation.ipAddress("x") == ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"])
        #expect(NameValidation.cidr("10.0.0.0/8") == [])
    }

    @Test func generatesNames() {
        let names = (0..<200).map { _ in NameGenerator.name(base: "web-") }
        #expect(
            names.allSatisfy { $0.hasPrefix("web-") && $0.utf8.count == 9 && NameValidation.dns1123Label($0).isEmpty })
        #expect(Set(names).count > 190)
        let long = NameGenerator.name(base: String(repeating: "x", count: 100))
        #expect(long.utf8.count == 63)
        #expect(NameValidation.dns1123Label(NameGenerator.suffix()) == [])
    }

    @Test func makesUniqueIDs() {
        let ids = (0..<100).map { _ in ObjectUID.random() }
        #expect(Set(ids).count == 100)
        for id in ids {
            #expect(id.utf8.count == 36)
            let parts = id.split(separator: "-").map(\.count)
            #expect(parts == [8, 4, 4, 4, 12])
            #expect(Array(id)[14] == "4")
            #expect("89ab".contains(Array(id)[19]))
        }
    }
}
