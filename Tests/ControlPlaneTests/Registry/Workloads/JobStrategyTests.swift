import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct JobStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    @discardableResult
    private func create(_ change: (inout JSON) -> Void = { _ in }) async throws -> JSON {
        var job: JSON = [
            "metadata": ["name": "pi"],
            "spec": [
                "template": ["spec": ["restartPolicy": "Never", "containers": [["name": "c", "image": "i"]]]]
            ],
        ]
        change(&job)
        return try await server.admin.create(.jobs, namespace: "default", job)
    }

    private func why(_ change: (inout JSON) -> Void) async -> String? {
        await refusal { try await create(change) }?.message.replacing("Job.batch \"pi\" is invalid: ", with: "")
    }

    private func whyNot(_ spec: JSON) async -> String? {
        await refusal {
            try await server.admin.patch(.jobs, namespace: "default", name: "pi", ["spec": spec])
        }?.message.replacing("Job.batch \"pi\" is invalid: ", with: "")
    }

    @Test func theServerGivesSelectorAndLabels() async throws {
        let job = try await create()
        let uid = JSON.string(job.uid)
        #expect(job["spec"]["selector"] == ["matchLabels": ["batch.kubernetes.io/controller-uid": uid]])
        let labels: JSON = [
            "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "pi", "controller-uid": uid,
            "job-name": "pi",
        ]
        #expect(job["spec"]["template"]["metadata"]["labels"] == labels)
        #expect(job["metadata"]["labels"] == labels)
        #expect(job.generation == 1 && job["status"] == .emptyObject)
    }

    @Test func aSelectorOfOnesOwnMustBeMeant() async throws {
        let job = try await create {
            $0["spec"]["manualSelector"] = true
            $0["spec"]["selector"] = ["matchLabels": ["mine": "1"]]
            $0["spec"]["template"]["metadata"]["labels"] = ["mine": "1"]
        }
        #expect(job["spec"]["template"]["metadata"]["labels"] == ["mine": "1"])
        let refused = await why { $0["spec"]["selector"] = ["matchLabels": ["mine": "1"]] }
        #expect(refused?.contains("`selector` not auto-generated") == true)
        let lie = await why { $0["spec"]["template"]["metadata"]["labels"] = ["job-name": "other"] }
        #expect(lie?.hasPrefix("spec.template.metadata.labels[job-name]: Invalid value: ") == true)
        #expect(lie?.hasSuffix("must be 'pi'") == true)
    }

    @Test func podsOfAJobEnd() async {
        let always = "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""
        #expect(await why { $0["spec"]["template"]["spec"]["restartPolicy"] = "Always" } == always)
        #expect(await why { $0["spec"]["template"]["spec"]["restartPolicy"] = .null } == always)
    }

    @Test func countsAreNotNegative() async {
        for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]
        {
            #expect(
                await why { $0["spec"][field] = -1 }
                    == "spec.\(field): Invalid value: -1: must be greater than or equal to 0")
        }
    }

    @Test func whatIsNotDoneYetIsRefused() async {
        #expect(
            await why { $0["spec"]["completionMode"] = "Sideways" }
                == #"spec.completionMode: Unsupported value: "Sideways": supported values: "Indexed", "NonIndexed""#)
        #expect(
            await why {
                $0["spec"]["completionMode"] = "Indexed"
                $0["spec"]["completions"] = .null
                $0["spec"]["parallelism"] = 2
            } == "spec.completions: Required value: when completion mode is Indexed")
        #expect(
            await why {
                $0["spec"]["completionMode"] = "Indexed"
                $0["spec"]["completions"] = 2
                $0["spec"]["parallelism"] = 100_001
            }
                == "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"
        )
        #expect(
            await why { $0["spec"]["backoffLimitPerIndex"] = 1 }
                == "spec.backoffLimitPerIndex: Forbidden: not supported by this server")
    }

    @Test func whatIsToBeDoneNeverChanges() async throws {
        let job = try await create()
        #expect(await whyNot(["completions": 2]) == "spec.completions: Invalid value: 2: field is immutable")
        #expect(
            await whyNot(["template": ["spec": ["terminationGracePeriodSeconds": 1]]])?.hasSuffix(
                "field is immutable") == true)
        #expect(await whyNot(["parallelism": 2, "backoffLimit": 1, "suspend": true]) == nil)
        #expect(try await server.admin.get(.jobs, namespace: "default", name: "pi").generation == job.generation + 1)
    }

    @Test func whereASuspendedJobGoesMayChange() async throws {
        try await create { $0["spec"]["suspend"] = true }
        #expect(await whyNot(["template": ["spec": ["nodeSelector": ["disk": "ssd"]]]]) == nil)
        #expect(await whyNot(["template": ["spec": ["hostNetwork": true]]]) != nil)
    }

    @Test func theEndIsFinal() async throws {
        try await create()
        func report(_ status: JSON) async -> String? {
            await refusal {
                try await server.admin.patch(
                    .jobs, namespace: "default", name: "pi", subresource: "status", ["status": status])
            }?.message
        }
        #expect(
            await report(["succeeded": 1, "conditions": [["type": "Complete", "status": "True"]]]) == nil)
        #expect(await report(["conditions": []])?.contains("cannot disable the terminal job condition") == true)
        #expect(await report(["succeeded": 0])?.hasSuffix("cannot be decremented") == true)
    }
}
