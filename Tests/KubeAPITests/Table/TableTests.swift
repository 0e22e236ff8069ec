@testable import KubeAPI
import Testing

@Suite struct TableTests {
    private func cells(_ kind: String, _ object: String, apiVersion: String = "v1") throws -> JSON {
        let parts = apiVersion.split(separator: "/").map(String.init)
        let type = try #require(
            Scheme.builtin.resource(group: parts.count > 1 ? parts[0] : "", version: parts[parts.count - 1], kind: kind)
        )
        return TablePrinter.row(type, try JSON.parse(object), include: .none, now: PodColumnsTests.now)["cells"]
    }
    private static let metadata = #""metadata":{"name":"x","creationTimestamp":"2024-01-02T03:04:05Z"}"#

    /// Every column of every kind that a running Kubernetes shows, and those that were added since.
    @Test func hasTheColumnsOfKubernetes() throws {
        let text = DiscoveryFacts.text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 8, !fields[7].isEmpty else { continue }
            let type = try #require(Scheme.builtin.resources.first { $0.path.resource == fields[1] }, "\(fields[1])")
            let shown = type.columns.map { "\($0.name):\($0.type):\($0.priority)" }
            // Since then the restarts of pods tell when, as text, and jobs have a status.
            let known = fields[7].replacing("Restarts:integer:0", with: "Restarts:string:0")
                .replacing("Completions:", with: "Status:string:0,Completions:").split(separator: ",").map(String.init)
            #expect(shown == known, "\(fields[1])")
            #expect(
                type.verbs.sorted() == fields[4].split(separator: ",").map(String.init).sorted()
                    || fields[1] == "services", "\(fields[1])")
            #expect(type.shortNames == fields[5].split(separator: ",").map(String.init), "\(fields[1])")
            #expect(type.categories == fields[6].split(separator: ",").map(String.init), "\(fields[1])")
            #expect(type.path.isNamespaced == (fields[3] == "n"), "\(fields[1])")
        }
    }

    @Test(arguments: [
        ("ConfigMap", #"{\#(metadata),"data":{"a":"1"},"binaryData":{"b":"","c":""}}"#, #"["x",3,"5m"]"#),
        ("Secret", #"{\#(metadata),"type":"Opaque","data":{"a":"1"}}"#, #"["x","Opaque",1,"5m"]"#),
        ("Namespace", #"{\#(metadata),"status":{"phase":"Active"}}"#, #"["x","Active","5m"]"#),
        ("ServiceAccount", #"{\#(metadata),"secrets":[{}]}"#, #"["x",1,"5m"]"#),
        (
            "ReplicationController",
            #"{\#(metadata),"spec":{"replicas":3,"selector":{"b":"2","a":"1"},"template":{"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"j"}]}}},"status":{"replicas":2,"readyReplicas":1}}"#,
            #"["x",3,2,1,"5m","c,d","i,j","a=1,b=2"]"#
        ),
        (
            "Service",
            #"{\#(metadata),"spec":{"type":"NodePort","clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"externalIPs":["1.1.1.1"],"ports":[{"port":80,"protocol":"TCP","nodePort":30080},{"port":53,"protocol":"UDP"}],"selector":{"a":"b"}}}"#,
            #"["x","NodePort","10.96.0.1","1.1.1.1","80:30080/TCP,53/UDP","5m","a=b"]"#
        ),
        (
            "Service", #"{\#(metadata),"spec":{"type":"ClusterIP","clusterIP":"None"}}"#,
            #"["x","ClusterIP","None","<none>","<none>","5m","<none>"]"#
        ),
        (
            "Service", #"{\#(metadata),"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.2"}}"#,
            #"["x","LoadBalancer","10.96.0.2","<pending>","<none>","5m","<none>"]"#
        ),
        (
            "Service",
            #"{\#(metadata),"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.2"},"status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"},{"hostname":"h"}]}}}"#,
            #"["x","LoadBalancer","10.96.0.2","2.2.2.2,h","<none>","5m","<none>"]"#
        ),
        (
            "Service", #"{\#(metadata),"spec":{"type":"ExternalName","externalName":"example.com"}}"#,
            #"["x","ExternalName","<none>","example.com","<none>","5m","<none>"]"#
        ),
        ("Endpoints", #"{\#(metadata)}"#, #"["x","<none>","5m"]"#),
        (
            "Endpoints", #"{\#(metadata),"subsets":[{"notReadyAddresses":[{"ip":"1.1.1.1"}],"ports":[{"port":1}]}]}"#,
            #"["x","","5m"]"#
        ),
        (
            "Endpoints",
            #"{\#(metadata),"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"fd00::1"}],"ports":[{"port":80},{"port":81}]}]}"#,
            #"["x","1.1.1.1:80,[fd00::1]:80,1.1.1.1:81 + 1 more...","5m"]"#
        ),
        ("Endpoints", #"{\#(metadata),"subsets":[{"addresses":[{"ip":"1.1.1.1"}]}]}"#, #"["x","1.1.1.1","5m"]"#),
        (
            "Node",
            #"{"metadata":{"name":"x","labels":{"node-role.kubernetes.io/b":"","node-role.kubernetes.io/a":"","kubernetes.io/role":"c"}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"1.1.1.1"}],"nodeInfo":{"kubeletVersion":"v1","osImage":"Debian","kernelVersion":"6.1","containerRuntimeVersion":"c://1"}}}"#,
            #"["x","Ready,SchedulingDisabled","a,b,c","<unknown>","v1","1.1.1.1","<none>","Debian","6.1","c://1"]"#
        ),
        (
            "Node", #"{\#(metadata)}"#,
            #"["x","Unknown","<none>","5m","","<none>","<none>","<unknown>","<unknown>","<unknown>"]"#
        ),
        (
            "Node", #"{\#(metadata),"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}"#,
            #"["x","NotReady","<none>","5m","","<none>","<none>","<unknown>","<unknown>","<unknown>"]"#
        ),
        (
            "Event",
            #"{"metadata":{"name":"x"},"type":"Normal","reason":"Pulled","message":" done \n","count":4,"involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.containers{a}"},"source":{"component":"kubelet","host":"n1"},"firstTimestamp":"2024-01-02T03:00:05Z","lastTimestamp":"2024-01-02T03:04:05Z"}"#,
            #"["5m","Normal","Pulled","pod/p","spec.containers{a}","kubelet, n1","done","9m",4,"x"]"#
        ),
        (
            "Event",
            #"{"metadata":{"name":"x"},"eventTime":"2024-01-02T03:04:05.000000Z","reportingComponent":"r","reportingInstance":"i","involvedObject":{"kind":"Node"}}"#,
            #"["5m","","","node","","r, i","","5m",1,"x"]"#
        ),
    ])
    func showsCells(kind: String, object: String, expected: String) throws {
        #expect(try cells(kind, object) == JSON.parse(expected))
    }

    @Test func showsLeasesAndSlices() throws {
        #expect(
            try cells(
                "Lease", #"{\#(Self.metadata),"spec":{"holderIdentity":"n1"}}"#, apiVersion: "coordination.k8s.io/v1")
                == ["x", "n1", "5m"])
        #expect(
            try cells(
                "EndpointSlice",
                #"{\#(Self.metadata),"addressType":"IPv4","ports":[{"port":80},{"name":"a"},{}],"endpoints":[{"addresses":["1.1.1.1","1.1.1.2"]},{"addresses":["1.1.1.3"]},{"addresses":["1.1.1.4"]}]}"#,
                apiVersion: "discovery.k8s.io/v1")
                == ["x", "IPv4", "80,a,*", "1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...", "5m"])
        #expect(
            try cells("EndpointSlice", #"{\#(Self.metadata),"addressType":"IPv6"}"#, apiVersion: "discovery.k8s.io/v1")
                == ["x", "IPv6", "<unset>", "<unset>", "5m"])
    }

    /// Those of the kinds that keep pods: ready of wanted, and how far a rollout or a job is.
    @Test(arguments: [
        (
            "Deployment", "apps/v1",
            #"{\#(metadata),"spec":{"replicas":3,\#(template)},"status":{"readyReplicas":2,"updatedReplicas":1,"availableReplicas":2}}"#,
            #"["x","2/3",1,2,"5m","c,d","i,j","a=1,b in (2)"]"#
        ),
        (
            "ReplicaSet", "apps/v1", #"{\#(metadata),"spec":{"replicas":3,\#(template)},"status":{"replicas":2}}"#,
            #"["x",3,2,0,"5m","c,d","i,j","a=1,b in (2)"]"#
        ),
        (
            "DaemonSet", "apps/v1",
            #"{\#(metadata),"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}},"status":{"desiredNumberScheduled":5,"currentNumberScheduled":4,"numberReady":3,"updatedNumberScheduled":2,"numberAvailable":1}}"#,
            #"["x",5,4,3,2,1,"disk=ssd","5m","","","<none>"]"#
        ),
        (
            "ControllerRevision", "apps/v1",
            #"{"metadata":{"name":"x","creationTimestamp":"2024-01-02T03:04:05Z","ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","controller":true}]},"revision":3}"#,
            #"["x","daemonset.apps/d",3,"5m"]"#
        ),
        (
            "Job", "batch/v1",
            #"{\#(metadata),"spec":{"completions":3,"parallelism":1,\#(template)},"status":{"succeeded":1,"startTime":"2024-01-02T03:04:05Z"}}"#,
            #"["x","Running","1/3","5m","5m","c,d","i,j","a=1,b in (2)"]"#
        ),
        (
            "Job", "batch/v1",
            #"{\#(metadata),"spec":{"parallelism":4},"status":{"succeeded":4,"startTime":"2024-01-02T03:04:05Z","completionTime":"2024-01-02T03:04:15Z","conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}"#,
            #"["x","Complete","4/1 of 4","10s","5m","","","<none>"]"#
        ),
        (
            "Job", "batch/v1",
            #"{\#(metadata),"spec":{"completions":1},"status":{"conditions":[{"type":"Suspended","status":"True"}]}}"#,
            #"["x","Suspended","0/1","","5m","","","<none>"]"#
        ),
    ])
    func showsWhatKeepsPods(kind: String, apiVersion: String, object: String, expected: String) throws {
        #expect(try cells(kind, object, apiVersion: apiVersion) == JSON.parse(expected))
    }
    private static let template =
        #""selector":{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"In","values":["2"]}]},"template":{"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"j"}]}}"#

    @Test func makesTables() throws {
        let type = try #require(Scheme.builtin.resource(group: "", version: "v1", kind: "ConfigMap"))
        let object: JSON = ["kind": "ConfigMap", "apiVersion": "v1", "metadata": ["name": "x"], "data": ["a": "b"]]
        let table = TablePrinter.table(type: type, objects: [object], metadata: ["resourceVersion": "7"])
        #expect(table["kind"] == "Table")
        #expect(table["apiVersion"] == "meta.k8s.io/v1")
        #expect(table["metadata"] == ["resourceVersion": "7"])
        #expect(table["columnDefinitions"].items.map { $0["name"].stringValue } == ["Name", "Data", "Age"])
        #expect(table["columnDefinitions"][0]["format"] == "name")
        #expect(
            table["rows"][0]["object"]
                == ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": ["name": "x"]])
        #expect(
            TablePrinter.table(type: type, objects: [object], metadata: [:], include: .object)["rows"][0]["object"]
                == object)
        #expect(
            TablePrinter.table(type: type, objects: [], metadata: [:], withColumns: false)["columnDefinitions"] == [])
    }

    @Test func describesEveryColumn() {
        for type in Scheme.builtin.resources {
            for column in TablePrinter.columnDefinitions(type).items {
                #expect(!column["description"].stringValue.isEmpty, "\(type.path.kind) \(column["name"])")
            }
        }
    }

    /// Whatever a kind's object holds, its row has a cell for each column.
    @Test func everyObjectHasARow() throws {
        for type in Scheme.builtin.resources {
            for seed in 0..<20 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                let object = try sample.object((type.path.apiVersion, type.path.kind))
                #expect(TablePrinter.row(type, object, include: .none)["cells"].items.count == type.columns.count)
            }
        }
    }
}
