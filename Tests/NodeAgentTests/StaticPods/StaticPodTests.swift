import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization
import Testing

@testable import NodeAgent

/// Manifests of the node's own folder.
@Suite struct StaticPodTests {
    private func parse(_ text: String, file: String = "/m/web.yaml", node: String = "node1") throws -> [Pod] {
        try StaticPod.parse(Array(text.utf8), file: file, nodeName: node, seenAt: Sample.now)
    }
    private static let manifest = """
        apiVersion: v1
        kind: Pod
        metadata: {name: web, labels: {app: web}}
        spec:
          containers: [{name: main, image: demo}]
        """

    @Test func aManifestBecomesAPodOfTheNode() throws {
        let pod = try #require(try parse(Self.manifest).first)
        #expect(pod.name == "web-node1")
        #expect(pod.namespace == "default")
        #expect(pod.nodeName == "node1")
        #expect(pod.labels == ["app": "web"])
        #expect(pod.isStatic && !pod.isMirror)
        #expect(pod.uid.utf8.count == 32 && pod.uid.utf8.allSatisfy(ImageReference.isHex))
        #expect(pod.annotations["kubernetes.io/config.hash"] == pod.uid)
        #expect(pod.annotations["kubernetes.io/config.source"] == "file")
        #expect(pod.annotations["kubernetes.io/config.seen"] == "2026-03-04T05:06:07.000000000Z")
        #expect(pod.restartPolicy == "Always")
        #expect(pod.tolerations == [["operator": "Exists", "effect": "NoExecute"]])
        #expect(pod.qosClass == "BestEffort")
    }

    @Test func JSONIsTakenToo() throws {
        let text =
            #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"main","image":"demo"}]}}"#
        #expect(try parse(text).map(\.name) == ["web-node1"])
    }

    @Test func itIsAnotherPodWhenItSaysSomethingElse() throws {
        let uid = try parse(Self.manifest)[0].uid
        #expect(try parse(Self.manifest)[0].uid == uid)
        #expect(try parse(Self.manifest.replacing("demo", with: "other"))[0].uid != uid)
        #expect(try parse(Self.manifest, file: "/m/other.yaml")[0].uid != uid)
        #expect(try parse(Self.manifest, node: "node2")[0].uid != uid)
        let later = try StaticPod.parse(
            Array(Self.manifest.utf8), file: "/m/web.yaml", nodeName: "node1", seenAt: Sample.now + .seconds(9))
        #expect(later[0].uid == uid)
    }

    @Test(arguments: [
        ("", "it holds no pod"), ("kind: Pod\n  bad: [\n", "yaml: line"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}", "it must be a v1 Pod, not v1 Service"),
        ("apiVersion: v1\nkind: Pod\nspec: {}", "metadata.name: Required value"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}", "spec.containers: Required value"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: {}}", "containers"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: X_}\nspec: {containers: [{name: a, image: b}]}",
            "metadata: Invalid value"
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a}]}", "image: Required value"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, image: b}, {name: a, image: b}]}",
            "Duplicate value"
        ),
        ("- 1", "a pod must be a map"),
    ])
    func whatIsWrongIsSaid(text: String, message: String) {
        #expect { try parse(text) } throws: { "\($0)".contains(message) }
    }

    @Test(arguments: [
        ("\n  imagee: x\n", "unknown field \"spec.imagee\""),
        ("\n  host: x\n", "unknown field \"spec.host\"; v1 has spec.nodeName"),
    ])
    func anUnknownFieldIsRefused(text: String, message: String) {
        #expect(throws: ManifestError(message)) { try parse(Self.manifest + text) }
    }

    @Test func aManifestOfAnOldVersionNamesTheWayOut() {
        #expect {
            try parse(#"{"version": "v1beta2", "id": "old", "containers": []}"#)
        } throws: {
            "\($0)".hasPrefix("it must be a v1 Pod, not of no version of no kind; write apiVersion v1")
        }
    }

    @Test func aMirrorIsThePodWithoutWhatTheAPIGives() throws {
        let pod = try parse(Self.manifest)[0]
        let node: JSON = ["metadata": ["name": "node1", "uid": "n-1"]]
        let mirror = Pod(MirrorPod.make(of: pod, node: node))
        #expect(mirror.isMirror && !mirror.isStatic)
        #expect(mirror.annotations["kubernetes.io/config.mirror"] == pod.uid)
        #expect(mirror.uid.isEmpty && mirror.status.isNull)
        #expect(mirror.spec == pod.spec)
        #expect(
            mirror.json.ownerReferences == [
                ["apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "n-1", "controller": true]
            ])
    }
}

/// The folder as a whole.
@Suite struct ManifestFolderTests {
    private let folder: TemporaryFolder
    private let loop: EpollLoop
    private let inotify: Inotify

    init() throws {
        folder = try TemporaryFolder()
        loop = try EpollLoop(name: "test")
        inotify = try Inotify(loop: loop)
    }

    private func manifest(_ name: String, image: String = "demo") -> String {
        "apiVersion: v1\nkind: Pod\nmetadata: {name: \(name)}\nspec: {containers: [{name: main, image: \(image)}]}\n"
    }

    @Test func aBadFileDoesNotKeepTheOthersAway() throws {
        try folder.write(manifest("a"), to: "a.yaml")
        try folder.write("kind: Pod\n  bad: [\n", to: "broken.yaml")
        try folder.write(manifest("b"), to: "b.json.yaml")
        try folder.write(manifest("c"), to: ".hidden.yaml")
        try folder.write(manifest("d"), to: "notes.txt")
        let log = LogCollector()
        let manifests = ManifestFolder(path: folder.path, nodeName: "n", log: log.logger)
        let pods = try manifests.open(inotify) { _ in }
        #expect(pods.map(\.name) == ["a-n", "b-n"])
        #expect(log.lines.contains { $0.contains("broken.yaml") && $0.contains("line") })
        manifests.close(inotify)
    }

    @Test func ofTwoPodsOfOneNameTheFirstFilesCounts() throws {
        try folder.write(manifest("a", image: "one"), to: "1.yaml")
        try folder.write(manifest("a", image: "two"), to: "2.yaml")
        let log = LogCollector()
        let pods = try ManifestFolder(path: folder.path, nodeName: "n", log: log.logger).open(inotify) { _ in }
        #expect(pods.map { $0.containers[0].image } == ["one"])
        #expect(log.lines.contains { $0.contains("2.yaml") })
    }

    @Test func changesAreTold() async throws {
        let (changes, change) = AsyncStream<[String]>.makeStream()
        let manifests = ManifestFolder(path: folder.file("made"), nodeName: "n", log: LogCollector().logger)
        let first = try manifests.open(inotify) { change.yield($0.map(\.name)) }
        #expect(first.isEmpty)
        var told = changes.makeAsyncIterator()
        try folder.write(manifest("a"), to: "made/a.yaml")
        #expect(await told.next() == ["a-n"])
        try folder.write(manifest("b"), to: "made/b.yaml")
        #expect(await told.next() == ["a-n", "b-n"])
        // A file that breaks keeps its pod.
        try folder.write("kind: [", to: "made/a.yaml")
        #expect(await told.next() == ["a-n", "b-n"])
        unlink(folder.file("made/b.yaml"))
        #expect(await told.next() == ["a-n"])
        manifests.close(inotify)
    }
}
