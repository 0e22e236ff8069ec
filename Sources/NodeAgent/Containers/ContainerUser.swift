import KubeAPI

/// Who a container's processes are, after the pod's security context, the container's, and the image's USER.
struct ContainerUser: Equatable {
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    /// Sorted, without the primary group.
    var supplementalGroups: [UInt32] = []
    /// The home folder that the image's accounts give the user; `/` where they know none.
    var home = "/"

    /// - Parameter accounts: looks into the image's /etc/passwd and /etc/group.
    static func resolve(pod: Pod, container: Container, imageUser: String, accounts: ImageAccounts) throws
        -> ContainerUser
    {
        let podContext = pod.spec["securityContext"]
        let context = container.securityContext
        let wantedUser = try id(context["runAsUser"]) ?? id(podContext["runAsUser"])
        let wantedGroup = try id(context["runAsGroup"]) ?? id(podContext["runAsGroup"])
        let mustNotBeRoot = context["runAsNonRoot"].bool ?? podContext["runAsNonRoot"].bool ?? false

        let parts = imageUser.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let imageName = parts.first ?? ""
        if mustNotBeRoot {
            let suffix = "(pod: \"\(pod.fullName)\", container: \(container.name))"
            if let wantedUser {
                guard wantedUser != 0 else {
                    throw ContainerConfigError("container's runAsUser breaks non-root policy \(suffix)")
                }
            } else if imageName.isEmpty || UInt32(imageName) == 0 {
                throw ContainerConfigError("container has runAsNonRoot and image will run as root \(suffix)")
            } else if UInt32(imageName) == nil {
                throw ContainerConfigError(
                    "container has runAsNonRoot and image has non-numeric user (\(imageName)), cannot verify user is non-root \(suffix)"
                )
            }
        }

        var user = ContainerUser()
        var account: ImageAccounts.Account?
        if let wantedUser {
            user.uid = wantedUser
            account = accounts.users.first { $0.uid == wantedUser }
        } else if !imageName.isEmpty {
            if let number = UInt32(imageName) {
                user.uid = number
                account = accounts.users.first { $0.uid == number }
            } else {
                guard let found = accounts.users.first(where: { $0.name == imageName }) else {
                    throw ContainerConfigError("unable to find user \(imageName): no matching entries in passwd file")
                }
                user.uid = found.uid
                account = found
            }
        } else {
            account = accounts.users.first { $0.uid == 0 }
        }
        if let wantedGroup {
            user.gid = wantedGroup
        } else if wantedUser == nil, parts.count == 2, !parts[1].isEmpty {
            if let number = UInt32(parts[1]) {
                user.gid = number
            } else {
                guard let found = accounts.groups.first(where: { $0.name == parts[1] }) else {
                    throw ContainerConfigError("unable to find group \(parts[1]): no matching entries in group file")
                }
                user.gid = found.gid
            }
        } else {
            user.gid = account?.gid ?? 0
        }

        if let home = account?.home, !home.isEmpty { user.home = home }

        var groups: Set<UInt32> = []
        // Policy Strict leaves the image's own memberships out.
        if podContext["supplementalGroupsPolicy"].string != "Strict", let account {
            for group in accounts.groups where group.members.contains(account.name) { groups.insert(group.gid) }
        }
        for group in podContext["supplementalGroups"].items { if let group = try id(group) { groups.insert(group) } }
        if let group = try id(podContext["fsGroup"]) { groups.insert(group) }
        groups.remove(user.gid)
        user.supplementalGroups = groups.sorted()
        return user
    }

    private static func id(_ json: JSON) throws -> UInt32? {
        guard let number = json.int else { return nil }
        guard let id = UInt32(exactly: number) else { throw ContainerConfigError("id \(number) is out of range") }
        return id
    }
}
