@testable import KubeAPI
import Testing

@Suite struct DefaultsTests {
    private func defaulted(_ text: String, kind: String, apiVersion: String = "v1") throws -> JSON {
        var object = try JSON.parse(text)
        let schema = try SchemaSample.schema((apiVersion, kind))
        schema.applyDefaults(&object)
        return object
    }

    @Test func fillsInAPod() throws {
        let pod = try defaulted(
            #"""
            {"spec":{"containers":[{"name":"a","image":"i","ports":[{"containerPort":80}],
            "resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}},
            "livenessProbe":{"httpGet":{"port":80}},
            "env":[{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}],
            "volumes":[{"name":"e"},{"name":"s","secret":{"secretName":"x"}},{"name":"h","hostPath":{"path":"/x"}}],
            "serviceAccountName":"robot"}}
            """#, kind: "Pod")
        #expect(
            try pod
                == JSON.parse(
                    #"""
                    {"spec":{"containers":[{"name":"a","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}],
                    "resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}},
                    "livenessProbe":{"httpGet":{"port":80,"path":"/","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,
                    "successThreshold":1,"failureThreshold":3},
                    "env":[{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"metadata.name","apiVersion":"v1"}}}],
                    "imagePullPolicy":"Always","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],
                    "volumes":[{"name":"e","emptyDir":{}},{"name":"s","secret":{"secretName":"x","defaultMode":420}},
                    {"name":"h","hostPath":{"path":"/x","type":""}}],
                    "serviceAccountName":"robot","serviceAccount":"robot","enableServiceLinks":true,"restartPolicy":"Always",
                    "terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},
                    "schedulerName":"default-scheduler"}}
                    """#))
    }

    @Test func publishesPortsOnTheHostsNetwork() throws {
        let pod = try defaulted(
            #"{"spec":{"hostNetwork":true,"containers":[{"name":"a","ports":[{"containerPort":80}]}]}}"#, kind: "Pod")
        #expect(pod["spec"]["containers"][0]["ports"][0]["hostPort"] == 80)
    }

    /// What depends on more than the template is filled in when a pod is made of it.
    @Test func templatesGetTheDefaultsOfTemplates() throws {
        let controller = try defaulted(
            #"{"spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true,"containers":[{"name":"a","image":"i:1","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1"}}}]}}}}"#,
            kind: "ReplicationController")
        #expect(controller["spec"]["replicas"] == 1)
        #expect(controller["spec"]["selector"] == ["a": "b"])
        #expect(controller["metadata"]["labels"] == ["a": "b"])
        let spec = controller["spec"]["template"]["spec"]
        #expect(spec["restartPolicy"] == "Always")
        #expect(spec["enableServiceLinks"].isNull)
        #expect(spec["containers"][0]["ports"][0]["hostPort"].isNull)
        #expect(spec["containers"][0]["resources"] == ["limits": ["cpu": "1"]])
        #expect(spec["containers"][0]["imagePullPolicy"] == "IfNotPresent")
    }

    @Test(arguments: [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.27", "IfNotPresent"), ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"), ("nginx@sha256:00", "IfNotPresent"),
        ("nginx:latest@sha256:00", "Always"),
        ("", "IfNotPresent"),
    ])
    func pullsByTag(image: String, policy: String) {
        #expect(PodDefaults.pullPolicy(image: image) == policy)
    }

    @Test func fillsInAService() throws {
        let service = try defaulted(
            #"{"spec":{"ports":[{"port":80},{"port":53,"targetPort":"dns","protocol":"UDP"}]}}"#, kind: "Service")
        #expect(
            try service
                == JSON.parse(
                    #"""
                    {"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":80},{"port":53,"targetPort":"dns","protocol":"UDP"}],
                    "sessionAffinity":"None","type":"ClusterIP","internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}}
                    """#))
        let external = try defaulted(#"{"spec":{"type":"LoadBalancer","sessionAffinity":"ClientIP"}}"#, kind: "Service")
        #expect(external["spec"]["externalTrafficPolicy"] == "Cluster")
        #expect(external["spec"]["allocateLoadBalancerNodePorts"] == true)
        #expect(external["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10800)
        let named = try defaulted(#"{"spec":{"type":"ExternalName","externalName":"x"}}"#, kind: "Service")
        #expect(named["spec"]["internalTrafficPolicy"].isNull)
    }

    @Test func fillsInTheOthers() throws {
        #expect(try defaulted(#"{"data":{}}"#, kind: "Secret")["type"] == "Opaque")
        let namespace = try defaulted(#"{"metadata":{"name":"n"}}"#, kind: "Namespace")
        #expect(namespace["metadata"]["labels"] == ["kubernetes.io/metadata.name": "n"])
        #expect(namespace["status"]["phase"] == "Active")
        #expect(
            try defaulted(#"{"subsets":[{"ports":[{"port":1}]}]}"#, kind: "Endpoints")["subsets"][0]["ports"][0]
                == ["port": 1, "protocol": "TCP"])
        #expect(
            try defaulted(#"{"ports":[{"port":1}]}"#, kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1")[
                "ports"][0]
                == ["port": 1, "name": "", "protocol": "TCP"])
        #expect(
            try defaulted(#"{"status":{"capacity":{"cpu":"2"}}}"#, kind: "Node")["status"]["allocatable"] == [
                "cpu": "2"
            ])
    }

    @Test func emptyTextCountsAsLeftOut() throws {
        let pod = try defaulted(
            #"{"spec":{"containers":[{"name":"a","imagePullPolicy":""}],"restartPolicy":""}}"#, kind: "Pod")
        #expect(pod["spec"]["restartPolicy"] == "Always")
        #expect(pod["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent")
    }

    @Test func areIdempotentOverEveryKind() throws {
        for kind in SchemaSample.kinds {
            let schema = try SchemaSample.schema(kind)
            for seed in 0..<30 as Range<UInt64> {
                var sample = SchemaSample(seed: seed)
                var once = try sample.object(kind)
                schema.applyDefaults(&once)
                var twice = once
                schema.applyDefaults(&twice)
                #expect(twice == once, "\(kind.kind), seed \(seed)")
                // What is filled in is of the right type, and known.
                #expect(schema.typeErrors(once) == [], "\(kind.kind), seed \(seed)")
                #expect(schema.prune(&twice) == [], "\(kind.kind), seed \(seed)")
            }
        }
    }

    private func spec(_ text: String, _ kind: String, _ apiVersion: String = "apps/v1") throws -> JSON {
        try defaulted(#"{"spec":\#(text)}"#, kind: kind, apiVersion: apiVersion)["spec"]
    }

    @Test func deploymentsRollByQuarters() throws {
        let plain = try spec("{}", "Deployment")
        #expect(plain["replicas"] == 1 && plain["revisionHistoryLimit"] == 10)
        #expect(plain["progressDeadlineSeconds"] == 600)
        #expect(
            plain["strategy"]
                == ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": "25%", "maxSurge": "25%"]])
        let own = try spec(
            #"{"replicas":0,"revisionHistoryLimit":0,"strategy":{"rollingUpdate":{"maxSurge":0}}}"#, "Deployment")
        #expect(own["replicas"] == 0 && own["revisionHistoryLimit"] == 0)
        #expect(own["strategy"]["rollingUpdate"] == ["maxUnavailable": "25%", "maxSurge": 0])
        #expect(
            try spec(#"{"strategy":{"type":"Recreate"}}"#, "Deployment")["strategy"] == ["type": "Recreate"])
    }

    @Test func daemonSetsRollNodeByNode() throws {
        let plain = try spec("{}", "DaemonSet")
        #expect(plain["revisionHistoryLimit"] == 10)
        #expect(
            plain["updateStrategy"]
                == ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1, "maxSurge": 0]])
        #expect(
            try spec(#"{"updateStrategy":{"type":"OnDelete"}}"#, "DaemonSet")["updateStrategy"] == ["type": "OnDelete"])
        #expect(try spec("{}", "ReplicaSet")["replicas"] == 1)
    }

    @Test func aPlainJobWantsOneSuccess() throws {
        let plain = try spec("{}", "Job", "batch/v1")
        #expect(plain["completions"] == 1 && plain["parallelism"] == 1 && plain["backoffLimit"] == 6)
        #expect(plain["completionMode"] == "NonIndexed" && plain["suspend"] == false)
        #expect(plain["manualSelector"] == false && plain["podReplacementPolicy"] == "TerminatingOrFailed")
        // With a parallelism alone it is a work queue: how many succeed is not fixed.
        #expect(try spec(#"{"parallelism":3}"#, "Job", "batch/v1")["completions"].isNull)
        #expect(try spec(#"{"completions":3}"#, "Job", "batch/v1")["parallelism"] == 1)
        let job = try defaulted(
            #"{"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}"#, kind: "Job", apiVersion: "batch/v1")
        #expect(job["metadata"]["labels"] == ["a": "b"])
    }
}
