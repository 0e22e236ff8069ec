import KubeAPI
import Testing

@testable import NodeAgent

/// Who a container's processes are.
@Suite struct ContainerUserTests {
    private static let accounts = ImageAccounts(
        passwd: Array("root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/var/www:/bin/false\nbroken\nx:y:z:a\n".utf8),
        group: Array("root:x:0:\nweb:x:102:\nextra:x:103:web,other\n".utf8))

    private func resolve(_ image: String, container: String = "{}", pod: String = "{}") throws -> ContainerUser {
        let sample = try Sample.pod(
            "{securityContext: \(pod), containers: [{name: main, image: demo, securityContext: \(container)}]}")
        return try ContainerUser.resolve(
            pod: sample, container: sample.containers[0], imageUser: image, accounts: Self.accounts)
    }

    @Test func ofTheImage() throws {
        #expect(try resolve("") == ContainerUser(uid: 0, gid: 0, home: "/root"))
        #expect(try resolve("web") == ContainerUser(uid: 101, gid: 102, supplementalGroups: [103], home: "/var/www"))
        #expect(try resolve("101") == ContainerUser(uid: 101, gid: 102, supplementalGroups: [103], home: "/var/www"))
        #expect(try resolve("web:extra") == ContainerUser(uid: 101, gid: 103, home: "/var/www"))
        #expect(try resolve("5000:6000") == ContainerUser(uid: 5000, gid: 6000))
    }

    @Test func ofTheContainerOverThePodOverTheImage() throws {
        #expect(try resolve("web", pod: "{runAsUser: 7}").uid == 7)
        #expect(
            try resolve("web", container: "{runAsUser: 8}", pod: "{runAsUser: 7, runAsGroup: 9}")
                == ContainerUser(uid: 8, gid: 9))
        // A user that the spec names has the image's groups where it is known there.
        #expect(try resolve("", container: "{runAsUser: 101}").gid == 102)
        #expect(try resolve("web:extra", container: "{runAsUser: 7}").gid == 0)
    }

    @Test func groupsOfThePod() throws {
        let user = try resolve("web", pod: "{supplementalGroups: [5, 102], fsGroup: 99}")
        #expect(user.supplementalGroups == [5, 99, 103])
        #expect(try resolve("web", pod: "{supplementalGroupsPolicy: Strict, fsGroup: 99}").supplementalGroups == [99])
    }

    @Test(arguments: [
        ("", "{runAsNonRoot: true}", "image will run as root"), ("0", "{runAsNonRoot: true}", "image will run as root"),
        ("web", "{runAsNonRoot: true}", "non-numeric user (web)"),
        ("web", "{runAsNonRoot: true, runAsUser: 0}", "runAsUser breaks non-root policy"),
        ("nobody", "{}", "unable to find user nobody"), ("web:nogroup", "{}", "unable to find group nogroup"),
    ])
    func whatMustNotBeIsRefused(image: String, container: String, message: String) {
        #expect { try resolve(image, container: container) } throws: { "\($0)".contains(message) }
    }

    @Test func anotherUserThanRootIsFine() throws {
        #expect(try resolve("101", container: "{runAsNonRoot: true}").uid == 101)
        #expect(try resolve("", container: "{runAsNonRoot: true, runAsUser: 5}").uid == 5)
    }

    @Test func accountsAreOfTheTopmostLayer() throws {
        let folder = try TemporaryFolder()
        try folder.write("low:x:1:1::/:\n", to: "low/etc/passwd")
        try folder.write("high:x:2:2::/:\n", to: "high/etc/passwd")
        try folder.write("g:x:3:\n", to: "low/etc/group")
        let accounts = ImageAccounts(layers: [folder.file("low"), folder.file("high")])
        #expect(accounts.users.map(\.name) == ["high"])
        #expect(accounts.groups.map(\.name) == ["g"])
    }
}

/// What a container may do, and with how much.
@Suite struct ContainerRightsTests {
    private func capabilities(_ context: String) throws -> [String] {
        try ContainerCapabilities.final(try YAML.parse(context).first ?? .null)
    }

    @Test func theUsualOnes() throws {
        #expect(Set(try capabilities("{a: 1}")) == Set(ContainerCapabilities.usual))
    }

    @Test func addedAndDropped() throws {
        let set = try capabilities("capabilities: {add: [NET_ADMIN, cap_sys_time], drop: [MKNOD]}")
        #expect(set.contains("CAP_NET_ADMIN") && set.contains("CAP_SYS_TIME") && !set.contains("CAP_MKNOD"))
        #expect(try capabilities("capabilities: {add: [CHOWN], drop: [ALL]}") == ["CAP_CHOWN"])
        #expect(
            try capabilities("capabilities: {add: [ALL], drop: [SYS_ADMIN]}").count == ContainerCapabilities.all.count
                - 1)
        #expect(try capabilities("privileged: true") == ContainerCapabilities.all)
        #expect(throws: ContainerConfigError.self) { try capabilities("capabilities: {add: [NOPE]}") }
    }

    @Test func whichContainerDiesFirstWhenMemoryRunsOut() throws {
        func score(_ resources: String, metadata: String = "", priority: String = "") throws -> Int {
            let pod = try Sample.pod(
                "{\(priority)containers: [{name: main, image: demo, resources: \(resources)}]}", metadata: metadata)
            return PodResources.oomScore(pod: pod, container: pod.containers[0], memoryCapacity: 1000 << 20)
        }
        #expect(try score("{}") == 1000)
        #expect(try score("{limits: {cpu: 1, memory: 100Mi}}") == -997)
        #expect(try score("{requests: {memory: 400Mi}}") == 600)
        #expect(try score("{requests: {cpu: 1}}") == 999)
        #expect(try score("{requests: {memory: 5000Mi}}") == 3)
        #expect(try score("{}", metadata: "annotations: {kubernetes.io/config.source: file}") == -997)
        #expect(try score("{}", priority: "priority: 2000001000, ") == -997)
    }

    @Test func amountsOfContainersAndPods() throws {
        let pod = try Sample.pod(
            "{containers: [{name: a, image: demo, resources: {limits: {cpu: 1, memory: 64Mi}, requests: {cpu: 100m}}}, {name: b, image: demo, resources: {limits: {memory: 32Mi}}}]}"
        )
        #expect(
            PodResources.limits(of: pod.containers[0])
                == ResourceLimits(cpuRequestMilli: 100, cpuLimitMilli: 1000, memoryLimitBytes: 64 << 20))
        // A limit that one container lacks is none of the pod's.
        #expect(PodResources.limits(of: pod) == ResourceLimits(cpuRequestMilli: 100, memoryLimitBytes: 96 << 20))
        #expect(PodResources.limits(of: try Sample.plainPod()).cpuRequestMilli == 0)
    }
}
