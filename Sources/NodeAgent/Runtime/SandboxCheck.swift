import KubeAPI

/// What a sandbox may be made of.
enum SandboxCheck {
    /// The kernel's bound of a host name.
    private static let hostnameLimit = 64
    /// Settings that belong to a pod's own namespaces; all others are the node's.
    private static let networkPrefix = "net."
    private static let ipcPrefixes = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."]

    static func check(_ spec: SandboxSpec) throws(RuntimeError) {
        func refuse(_ what: String) throws(RuntimeError) { throw RuntimeError(.invalidSpec, what) }
        if !RuntimePaths.isValid(uid: spec.podUID) { try refuse("pod uid \"\(spec.podUID)\" is not valid") }
        if spec.hostname.isEmpty || spec.hostname.utf8.count > hostnameLimit || spec.hostname.utf8.contains(0) {
            try refuse("hostname \"\(spec.hostname)\" must have 1 to \(hostnameLimit) bytes")
        }
        for (name, value) in spec.sysctls {
            let dotted = dotted(name)
            let isNetwork = dotted.hasPrefix(networkPrefix)
            guard isNetwork || ipcPrefixes.contains(where: dotted.hasPrefix), isPlain(dotted) else {
                throw RuntimeError(.invalidSpec, "sysctl \"\(name)\" is not one of a pod's own")
            }
            if isNetwork, spec.hostNetwork {
                try refuse("sysctl \"\(name)\" would be the node's: the pod is on its network")
            }
            if !isNetwork, spec.hostIPC { try refuse("sysctl \"\(name)\" would be the node's: the pod shares its IPC") }
            if value.isEmpty || value.utf8.count > 4096 || value.utf8.contains(0) {
                try refuse("sysctl \"\(name)\" has no valid value")
            }
        }
    }

    /// Both ways of writing are in use: `net.ipv4.ip_forward`, and `net/ipv4/conf/eth0.1/forwarding`.
    private static func dotted(_ name: String) -> String {
        guard let first = name.first(where: { $0 == "." || $0 == "/" }), first == "/" else { return name }
        return String(name.map { $0 == "/" ? "." : $0 == "." ? "/" : $0 })
    }

    private static func isPlain(_ name: String) -> Bool {
        let marks = Array("-./_".utf8)
        return !name.contains("..") && !name.contains("//") && !name.hasPrefix(".") && name.utf8.count < 256
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || marks.contains(byte)
            }
    }

    /// The path below /proc/sys.
    static func path(ofSysctl name: String) -> String {
        String(dotted(name).map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
    }
}
