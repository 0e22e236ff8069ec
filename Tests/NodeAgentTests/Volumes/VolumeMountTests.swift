import KubeAPI
import Testing

@testable import NodeAgent

/// The mounts of a container.
@Suite struct VolumeMountTests {
    private let paths = KubeletPaths(Sample.config("/node"))

    private func mounts(_ container: String, variables: [(String, String)] = []) throws -> [ContainerMount] {
        let pod = try Sample.pod("{containers: [{name: main, image: demo, \(container)}]}")
        return try VolumeMounts(
            pod: pod, paths: paths,
            volumes: [
                "disk": PreparedVolume(source: .path("/volumes/disk")),
                "conf": PreparedVolume(source: .path("/volumes/conf"), isReadOnly: true),
                "mem": PreparedVolume(source: .memory(sizeBytes: 42)),
            ]
        ).mounts(of: pod.containers[0], variables: variables.map { (name: $0.0, value: $0.1) })
    }

    @Test func everyContainerHasThePodsFiles() throws {
        let mounts = try mounts("ports: []")
        #expect(mounts.map(\.target) == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
        #expect(mounts[0].source == .bind("/node/run/volumes/uid-1/etc-hosts"))
        #expect(mounts.allSatisfy { !$0.readOnly })
    }

    @Test func aContainersOwnFileComesFirst() throws {
        let mounts = try mounts("volumeMounts: [{name: disk, mountPath: /etc/hosts}]")
        #expect(mounts.filter { $0.target == "/etc/hosts" }.map(\.source) == [.bind("/volumes/disk")])
    }

    @Test func volumesByTheirKind() throws {
        let mounts = try mounts(
            "volumeMounts: [{name: disk, mountPath: data, readOnly: true, mountPropagation: HostToContainer}, {name: conf, mountPath: /conf}, {name: mem, mountPath: /mem}]"
        )
        #expect(
            mounts[0]
                == ContainerMount(
                    source: .bind("/volumes/disk"), target: "/data", readOnly: true, propagation: .hostToContainer))
        #expect(mounts[1].readOnly, "what the API gives is read-only whatever the mount says")
        #expect(mounts[2].source == .podMemory(name: "mem", sizeBytes: 42))
    }

    @Test func aPartOfAVolumeIsLookedUpBelowIt() throws {
        let mounts = try mounts(
            "volumeMounts: [{name: disk, mountPath: /a, subPath: x/y}, {name: disk, mountPath: /b, subPathExpr: logs/$(NAME)}]",
            variables: [("NAME", "web")])
        #expect(mounts[0].source == .bindBelow(folder: "/volumes/disk", path: "x/y"))
        #expect(mounts[1].source == .bindBelow(folder: "/volumes/disk", path: "logs/web"))
    }

    @Test(arguments: [
        "volumeMounts: [{name: none, mountPath: /a}]", "volumeMounts: [{name: mem, mountPath: /a, subPath: x}]",
        "volumeMounts: [{name: disk, mountPath: /a, subPathExpr: $(NOPE)}]",
    ])
    func whatCantBeMountedIsAnErrorOfTheConfiguration(container: String) {
        #expect(throws: ContainerConfigError.self) { try mounts(container) }
    }
}
