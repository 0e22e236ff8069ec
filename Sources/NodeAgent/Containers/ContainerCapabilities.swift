import KubeAPI

/// The capabilities of a container: the usual set, plus `add`, minus `drop` (`ALL` in either).
enum ContainerCapabilities {
    /// What containers have got by custom since Docker.
    static let usual = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]

    /// linux/capability.h, in the order of their numbers.
    static let all = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
    ]

    /// - Parameter context: the container's `securityContext`.
    static func final(_ context: JSON) throws -> [String] {
        if context["privileged"].bool == true { return all }
        let add = try names(context["capabilities"]["add"])
        let drop = try names(context["capabilities"]["drop"])
        var set = Set(drop.contains("CAP_ALL") ? [] : add.contains("CAP_ALL") ? all : usual)
        set.formUnion(add.filter { $0 != "CAP_ALL" })
        // `drop` beats the usual set and `add: ALL`, but not a name that is added one by one after `drop: ALL`.
        if !drop.contains("CAP_ALL") { set.subtract(drop) }
        return all.filter(set.contains)
    }

    private static func names(_ list: JSON) throws -> [String] {
        try list.items.compactMap(\.string).map { name in
            let upper = name.uppercased()
            let full = upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
            guard full == "CAP_ALL" || all.contains(full) else {
                throw ContainerConfigError("unknown capability to add or drop: \"\(name)\"")
            }
            return full
        }
    }
}
