@testable import KubeAPI
import Testing

@Suite struct ValidationTests {
    private func errors(_ text: String, kind: String, apiVersion: String = "v1") throws -> [String] {
        try SchemaSample.schema((apiVersion, kind)).validate(try JSON.parse(text)).map(\.description)
    }

    @Test func missesWhatMustBeThere() throws {
        #expect(try errors(#"{"spec":{}}"#, kind: "Pod") == ["spec.containers: Required value"])
        #expect(
            try errors(#"{"spec":{"containers":[{"image":"i","env":[{"value":"x"}]}],"volumes":[{}]}}"#, kind: "Pod")
                == [
                    "spec.volumes[0].name: Required value", "spec.containers[0].name: Required value",
                    "spec.containers[0].env[0].name: Required value",
                ])
        #expect(
            try errors(#"{"spec":{"ports":[{"name":"x"}]}}"#, kind: "Service") == ["spec.ports[0].port: Required value"]
        )
    }

    @Test func knowsClosedSets() throws {
        #expect(
            try errors(
                #"{"spec":{"containers":[{"name":"a","imagePullPolicy":"Sometimes"}],"restartPolicy":"Maybe"}}"#,
                kind: "Pod")
                == [
                    #"spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never""#,
                    #"spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure""#,
                ])
    }

    @Test func openSetsTakeOthers() throws {
        #expect(try errors(#"{"type":"example.com/mine"}"#, kind: "Secret") == [])
    }

    @Test(arguments: ["IPv4", "IPv6", "FQDN"])
    func takesEveryAddressType(type: String) throws {
        #expect(
            try errors(
                #"{"addressType":"\#(type)","endpoints":[]}"#, kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1")
                == [])
    }

    /// A closed set of which nothing is known would refuse everything.
    @Test func knowsTheValuesOfEveryClosedSet() {
        for name in SchemaTable.shared.typeNames {
            for field in SchemaTable.shared[name]?.fields ?? [] {
                if case .enumeration(let type, let values, true) = field.form { #expect(!values.isEmpty, "\(type)") }
            }
        }
    }
}
