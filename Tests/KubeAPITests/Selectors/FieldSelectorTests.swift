import KubeAPI
import Testing

@Suite struct FieldSelectorTests {
    @Test(arguments: [
        ("", ""), ("a=b", "a=b"), ("a==b", "a=b"), ("a!=b", "a!=b"), ("a=b,c!=d", "a=b,c!=d"), ("c!=d,a=b", "a=b,c!=d"),
        (",a=b,,", "a=b"),
        ("a=", "a="), ("=b", "=b"),
        ("=", ""), ("!=", ""), (#"a=x\,y"#, #"a=x\,y"#), (#"a=x\=y"#, #"a=x\=y"#), (#"a=x\\y"#, #"a=x\\y"#),
        ("a=b c", "a=b c"),
        ("metadata.name=web-1", "metadata.name=web-1"),
    ])
    func reads(text: String, canonical: String) throws {
        let selector = try FieldSelector(parsing: text)
        #expect(selector.description == canonical)
        #expect(try FieldSelector(parsing: canonical) == selector)
    }

    @Test(arguments: [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b,c", "invalid selector: 'a=b,c'; can't understand 'c'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a===b", "invalid field selector: unescaped character in value: 61"),
        (#"a=\x"#, #"invalid field selector: invalid escape sequence: \x"#),
        (#"a=b\"#, #"invalid field selector: invalid escape sequence: \"#),
    ])
    func refusesInKubernetesWords(text: String, message: String) {
        #expect(throws: SelectorError(message)) { try FieldSelector(parsing: text) }
    }

    @Test func matches() throws {
        let fields = ["spec.nodeName": "n1", "status.phase": "Running"]
        func matches(_ text: String) throws -> Bool { try FieldSelector(parsing: text).matches { fields[$0] ?? "" } }
        #expect(try matches(""))
        #expect(try matches("spec.nodeName=n1,status.phase!=Pending"))
        #expect(try !matches("spec.nodeName=n2"))
        #expect(try !matches("status.phase!=Running"))
        #expect(try matches("spec.other="))
        #expect(try FieldSelector(parsing: "a!=b,a=c").exactValue("a") == "c")
        #expect(try FieldSelector(parsing: "a!=b").exactValue("a") == nil)
    }

    @Test func knowsTheFieldsOfKinds() throws {
        func value(_ kind: String, _ object: JSON, _ path: String) throws -> String? {
            try #require(Scheme.builtin.resource(group: "", version: "v1", kind: kind)).fieldValue(
                of: object, path: path)
        }
        let pod: JSON = [
            "metadata": ["name": "p", "namespace": "n"], "spec": ["nodeName": "n1"],
            "status": ["podIPs": [["ip": "1.1.1.1"], ["ip": "fd00::1"]]],
        ]
        #expect(try value("Pod", pod, "metadata.name") == "p")
        #expect(try value("Pod", pod, "metadata.namespace") == "n")
        #expect(try value("Pod", pod, "spec.nodeName") == "n1")
        #expect(try value("Pod", pod, "status.phase") == "")
        #expect(try value("Pod", pod, "spec.hostNetwork") == "false")
        #expect(try value("Pod", pod, "status.podIPs") == "1.1.1.1,fd00::1")
        #expect(try value("Pod", pod, "spec.containers") == nil)
        #expect(try value("Node", [:], "spec.unschedulable") == "false")
        #expect(try value("Event", ["reportingComponent": "kubelet"], "source") == "kubelet")
        #expect(try value("Event", ["involvedObject": ["name": "p"]], "involvedObject.name") == "p")
        #expect(try value("ConfigMap", [:], "data") == nil)
    }
}
