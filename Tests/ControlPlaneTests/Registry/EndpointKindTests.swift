import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct EndpointKindTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private func why(_ resource: ResourcePath, _ text: String) async throws -> String? {
        var object = try JSON.parse(Array(text.utf8))
        object["metadata"] = ["name": "x"]
        return await refusal { try await server.admin.create(resource, namespace: "default", object) }?.message
    }

    @Test(arguments: [
        (#"{"subsets":[{}]}"#, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
        (
            #"{"subsets":[{"addresses":[{"ip":"x"}]}]}"#,
            #"subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#
        ),
        (
            #"{"subsets":[{"addresses":[{"ip":"169.254.0.1"}]}]}"#,
            #"subsets[0].addresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)"#
        ),
        (
            #"{"subsets":[{"addresses":[{"ip":"0.0.0.0"}]}]}"#,
            #"subsets[0].addresses[0].ip: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)"#
        ),
        (
            #"{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":1},{"name":"b","port":2}]}]}"#,
            "subsets[0].ports[0].name: Required value"
        ),
        (
            #"{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":70000}]}]}"#,
            "subsets[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"
        ),
    ])
    func endpoints(_ object: String, _ why: String) async throws {
        #expect(try await self.why(.endpoints, object) == #"Endpoints "x" is invalid: "# + why)
    }

    @Test(arguments: [
        (
            #"{"addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]}]}"#,
            #"endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address"#
        ),
        (
            #"{"addressType":"IPv4","endpoints":[{"addresses":["127.0.0.1"]}]}"#,
            #"endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#
        ),
        (
            #"{"addressType":"FQDN","endpoints":[{"addresses":["host"]}]}"#,
            #"endpoints[0].addresses[0]: Invalid value: "host": should be a domain with at least two segments separated by dots"#
        ),
        (
            #"{"addressType":"IPv4","endpoints":[],"ports":[{"name":"a","port":1},{"name":"a","port":2}]}"#,
            #"ports[1].name: Duplicate value: "a""#
        ),
    ])
    func slices(_ object: String, _ why: String) async throws {
        #expect(
            try await self.why(.endpointSlices, object) == #"EndpointSlice.discovery.k8s.io "x" is invalid: "# + why)
    }

    @Test func aSliceHoldsAThousandEndpoints() async throws {
        var slice: JSON = ["addressType": "IPv4"]
        slice["endpoints"] = .array(
            (0..<1000).map { ["addresses": [.string("10.1.\($0 / 250).\($0 % 250 + 1)")]] })
        #expect(try await why(.endpointSlices, String(decoding: slice.serialized(), as: UTF8.self)) == nil)
        slice["endpoints"].append(["addresses": ["10.2.0.1"]])
        #expect(
            try await why(.endpointSlices, String(decoding: slice.serialized(), as: UTF8.self))
                == #"EndpointSlice.discovery.k8s.io "x" is invalid: endpoints: Too many: 1001: must have at most 1000 items"#
        )
    }

    @Test func theTypeOfASliceStays() async throws {
        var slice = try await server.admin.create(
            .endpointSlices, namespace: "default", ["metadata": ["name": "x"], "addressType": "IPv4", "endpoints": []])
        slice["addressType"] = "IPv6"
        #expect(
            await refusal { try await server.admin.update(.endpointSlices, slice) }?.message
                == #"EndpointSlice.discovery.k8s.io "x" is invalid: addressType: Invalid value: "IPv6": field is immutable"#
        )
    }
}

@Suite struct EventAndLeaseTests {
    private let server: TestServer
    init() async throws { server = try await TestServer(namespaces: ["default", "team", "kube-node-lease"]) }

    private func why(_ namespace: String, _ event: JSON) async -> String? {
        var event = event
        event["metadata"] = ["name": "e"]
        return await refusal { try await server.admin.create(.events, namespace: namespace, event) }?.message
    }

    @Test func anEventIsWhereItsObjectIs() async {
        let mismatch =
            #"Event "e" is invalid: involvedObject.namespace: Invalid value: "team": does not match event.namespace"#
        #expect(await why("default", ["involvedObject": ["kind": "Pod", "namespace": "team"]]) == mismatch)
        #expect(await why("team", ["involvedObject": ["kind": "Pod", "namespace": "team"]]) == nil)
        // What has no namespace is told of in `default`.
        #expect(await why("default", ["involvedObject": ["kind": "Node", "name": "a"]]) == nil)
        #expect(await why("team", ["involvedObject": ["kind": "Node", "name": "b"]]) != nil)
    }

    @Test func theNewerFormSaysMore() async {
        let why = await why(
            "default",
            ["involvedObject": ["kind": "Node"], "eventTime": "2024-01-01T00:00:00.000000Z", "reason": "R"])
        #expect(why?.contains("reportingController: Required value") == true)
        #expect(why?.contains("action: Required value") == true)
        #expect(why?.contains("reason: Required value") == false)
    }

    @Test func aLeaseLastsAndIsGuarded() async throws {
        let error = await refusal {
            try await server.admin.create(
                .leases, namespace: "kube-node-lease", ["metadata": ["name": "a"], "spec": ["leaseDurationSeconds": 0]])
        }
        #expect(
            error?.message
                == #"Lease.coordination.k8s.io "a" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"#
        )
        var lease = try await server.admin.create(
            .leases, namespace: "kube-node-lease", ["metadata": ["name": "a"], "spec": ["leaseDurationSeconds": 40]])
        lease["metadata"]["resourceVersion"] = .null
        #expect(
            await refusal { try await server.admin.update(.leases, lease) }?.message
                == "Lease.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        )
    }
}
