import Glibc
import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

@Suite("Records of pods and containers")
struct PodRecordTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private var full: PodRecord {
        let spec = SandboxSpec(
            podUID: "0af1-22", namespace: "kube-system", name: "näme", hostname: "h", hostNetwork: true, hostPID: true,
            hostIPC: true, shareProcessNamespace: true, qos: .burstable, sysctls: ["net.core.somaxconn": "1"],
            resources: ResourceLimits(
                cpuRequestMilli: 100, cpuLimitMilli: 200, memoryLimitBytes: 1 << 40, pidsLimit: 9),
            annotation: ["a": [1, "b", .null]])
        return PodRecord(
            phase: .running, spec: spec, address: "10.0.0.1", createdAt: Timestamp(unixNanos: 1_700_000_000_123_456_789)
        )
    }

    @Test func whatIsWrittenIsRead() throws {
        let small = PodRecord(phase: .building, spec: RuntimeSamples.sandbox(), createdAt: Timestamp(unixNanos: 0))
        for record in [full, small] {
            try record.write(to: folder.file("r.json"))
            #expect(PodRecord.read(folder.file("r.json")) == record)
        }
    }

    @Test(arguments: [PodRecord.Phase.building, .running, .removing])
    func everyPhase(_ phase: PodRecord.Phase) throws {
        var record = full
        record.phase = phase
        #expect(PodRecord(record.json)?.phase == phase)
    }

    @Test func aMissingOneIsNil() { #expect(PodRecord.read(folder.file("nothing")) == nil) }

    @Test(arguments: [
        "", "{}", "[]", "null", "\u{0}", #"{"format":1}"#,
        #"{"format":1,"phase":"running","qos":"burstable","uid":"../x"}"#,
        #"{"format":1,"phase":"dancing","qos":"burstable","uid":"x"}"#,
        #"{"format":1,"phase":"running","qos":"gold","uid":"x"}"#,
    ])
    func whatIsNoRecordIsNil(_ text: String) throws {
        try folder.write(text, to: "r.json")
        #expect(PodRecord.read(folder.file("r.json")) == nil)
    }

    @Test func aLaterFormatIsNotGuessedAt() throws {
        var json = full.json
        json["format"] = 2
        #expect(PodRecord(json) == nil)
        json["format"] = 0
        #expect(PodRecord(json) == nil)
    }

    @Test func aTornFileIsNilWhereverItEnds() throws {
        let bytes = full.json.serialized()
        for count in 0..<bytes.count {
            try DurableFile.write(Array(bytes.prefix(count)), to: folder.file("r.json"), isSynced: false)
            #expect(PodRecord.read(folder.file("r.json")) == nil, "\(count) bytes")
        }
    }

    @Test func aContainersRecord() throws {
        let spec = RuntimeSamples.container {
            $0.attempt = 3
            $0.terminationMessagePath = nil
            $0.annotation = ["x": "y"]
        }
        let record = ContainerRecord(podUID: "b2c1", spec: spec, createdAt: Timestamp(unixNanos: 5))
        #expect(ContainerRecord(record.json) == record)
        #expect(!record.hasTerminationMessage && record.attempt == 3)
        var json = record.json
        json["id"] = "../../etc"
        #expect(ContainerRecord(json) == nil)
        #expect(ContainerRecord.read(folder: folder.path) == nil)
        try DurableFile.write(record.json.serialized(), to: folder.file(ContainerRecord.fileName))
        #expect(ContainerRecord.read(folder: folder.path) == record)
    }

    @Test(arguments: ["a", "0af1-22.x_Y", String(repeating: "x", count: 64)])
    func uidsThatBecomeNames(_ uid: String) { #expect(RuntimePaths.isValid(uid: uid)) }

    @Test(arguments: ["", ".", "..", ".x", "a/b", "a b", "ä", "a\u{0}", String(repeating: "x", count: 65)])
    func uidsThatDoNot(_ uid: String) { #expect(!RuntimePaths.isValid(uid: uid)) }

    @Test func containerIDs() {
        #expect(RuntimePaths.isValid(containerID: RuntimeSamples.id))
        #expect(!RuntimePaths.isValid(containerID: RuntimeSamples.id.uppercased()))
        #expect(!RuntimePaths.isValid(containerID: String(RuntimeSamples.id.dropLast())))
        #expect(!RuntimePaths.isValid(containerID: String(repeating: "/", count: 64)))
    }

    @Test func resourcesAsTheKernelTakesThem() {
        let limits = ResourceLimits(cpuRequestMilli: 500, cpuLimitMilli: 1500, memoryLimitBytes: 7, pidsLimit: 3).cgroup
        #expect(limits == CgroupLimits(cpuShares: 512, cpuQuotaMicros: 150_000, memoryBytes: 7, pids: 3))
        #expect(ResourceLimits().cgroup == CgroupLimits())
        // The kernel's least.
        #expect(
            ResourceLimits(cpuRequestMilli: 0, cpuLimitMilli: 1).cgroup
                == CgroupLimits(cpuShares: 2, cpuQuotaMicros: 1000))
        let huge = ResourceLimits(cpuRequestMilli: .max, cpuLimitMilli: .max, memoryLimitBytes: -1).cgroup
        #expect(huge.cpuShares == 262_144 && huge.memoryBytes == 0)
    }
}

@Suite("The folder of a container")
struct ContainerFolderTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("c")
        try ContainerFolder.make(
            path, ContainerRecord(podUID: "p", spec: RuntimeSamples.container(), createdAt: Timestamp(unixNanos: 0)))
    }

    @Test func itHasAWritableLayerAndARecord() {
        #expect(FileTree.names(in: path) == ["container.json", "termination-log", "upper", "work"])
        #expect(ContainerRecord.read(folder: path)?.name == "main")
    }

    @Test func itIsNeverUsedTwice() {
        let record = ContainerRecord(podUID: "p", spec: RuntimeSamples.container(), createdAt: Timestamp(unixNanos: 0))
        #expect(throws: KernelError.self) { try ContainerFolder.make(path, record) }
    }

    @Test func lastWords() throws {
        #expect(ContainerFolder.terminationMessage(path) == "")
        try folder.write("done\n", to: "c/termination-log")
        #expect(ContainerFolder.terminationMessage(path) == "done\n")
    }

    @Test func ofManyWordsTheLastCount() throws {
        try folder.write(
            String(repeating: "a", count: 10_000) + String(repeating: "b", count: 4000), to: "c/termination-log")
        let message = ContainerFolder.terminationMessage(path)
        #expect(message == String(repeating: "a", count: 96) + String(repeating: "b", count: 4000))
    }

    @Test func aLinkInTheirPlaceIsNotFollowed() throws {
        try folder.write("secret", to: "secret")
        try FileTree.remove(path + "/termination-log")
        #expect(symlink(folder.file("secret"), path + "/termination-log") == 0)
        #expect(ContainerFolder.terminationMessage(path) == "")
    }
}

@Suite("The steps of a pod")
struct PodStepTests {
    /// A step that nobody has written down is one of which nobody has thought what it leaves.
    @Test func eachIsInThePageThatSaysWhatItLeaves() throws {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let page = try #require(try DurableFile.read("/\(root)/docs/pod-steps.md"))
        let rows = String(decoding: page, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let named = rows.map { $0.dropFirst(3).prefix { $0 != "`" } }
        #expect(named.map(String.init) == PodStep.allCases.map(\.rawValue))
    }
}

@Suite("A record that is made")
final class CreatedRecordTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    @Test func itIsThereOnce() throws {
        let record = PodRecord(phase: .building, spec: RuntimeSamples.sandbox(), createdAt: .now())
        let path = folder.path + "/x.json"
        try record.create(at: path)
        #expect(PodRecord.read(path) == record)
        let error = #expect(throws: KernelError.self) { try record.create(at: path) }
        #expect(error?.code == EEXIST)
    }

    @Test func halfOfOneIsNone() throws {
        let record = PodRecord(phase: .building, spec: RuntimeSamples.sandbox(), createdAt: .now())
        let path = folder.path + "/x.json"
        try DurableFile.create(Array(record.json.serialized().prefix(100)), at: path)
        #expect(PodRecord.read(path) == nil)
    }
}
