import KubeAPI
import Kernel
import Transport

@testable import NodeAgent

/// A kubelet that runs, with what belongs to it.
final class TestNode: Sendable {
    let folder: TemporaryFolder
    let api: FakeAPI?
    let runtime: FakeRuntime
    let kubelet: Kubelet
    private let loops: EventLoops
    private let task: Task<Void, Never>

    init(
        _ folder: TemporaryFolder? = nil, api: FakeAPI? = FakeAPI(), runtime: FakeRuntime = FakeRuntime(),
        podCIDR: CIDR? = Sample.range("10.244.0.0/24"), log: LogCollector = LogCollector(),
        health: (any HealthRunner)? = nil
    ) throws {
        let folder = try folder ?? TemporaryFolder()
        let store = try ImageStore(folder: folder.file("images"))
        if try store.list().isEmpty {
            var tar = TarWriter()
            tar.add("bin/run", text: "x")
            let archive = ImageArchiveWriter(layers: [tar.finished], name: "docker.io/library/demo:latest").oci()
            try HostFiles.writeAtomically(archive, to: folder.file("demo.tar"), isDurable: false)
            try store.importArchive(path: folder.file("demo.tar"))
        }
        let loops = EventLoops(count: 1)
        let kubelet = try Kubelet(
            config: Sample.config(folder.path, podCIDR: podCIDR), client: api, containerRuntime: runtime,
            images: store,
            loops: loops, log: log.logger, healthRunner: health)
        self.folder = folder
        self.api = api
        self.runtime = runtime
        self.kubelet = kubelet
        self.loops = loops
        task = Task { await kubelet.run() }
    }

    func stop() async {
        await kubelet.shutdown()
        await task.value
        await loops.shutdown()
    }
}
