/// Every path that the runtime writes. Names derive from the pod's uid and the container's id.
struct RuntimePaths: Sendable {
    let dataDir: String
    let runDir: String

    /// One JSON file for each pod, written before anything of it exists.
    var records: String { dataDir + "/sandboxes" }
    /// The same record, once the pod is being removed: to rename it is all that has to be written.
    func removalRecord(_ uid: String) -> String { records + "/\(uid).removing" }
    func record(_ uid: String) -> String { records + "/\(uid).json" }
    /// One folder for each container: its writable layer and what is known of it.
    var containers: String { dataDir + "/containers" }
    func container(_ id: String) -> String { containers + "/\(id)" }
    /// An empty folder, over which each container's root is mounted in a mount namespace of its own.
    var mountPoint: String { dataDir + "/root" }
    /// What is to be removed without anybody waiting.
    var trash: String { dataDir + "/trash" }
    /// One bit for each address of the pod range.
    var addresses: String { dataDir + "/addresses" }
    var savedSysctls: String { dataDir + "/sysctl.saved" }
    /// Where the tree of cgroups was made, if that depends on who asks: for `reset`.
    var cgroupParent: String { runDir + "/cgroup" }
    /// One folder for each pod: its supervisor's socket and the records of ends.
    var states: String { runDir + "/pods" }
    func state(_ uid: String) -> String { states + "/\(uid)" }
    static let socketName = "podinit.sock"

    /// A uid becomes a file name and part of cgroup names.
    static func isValid(uid: String) -> Bool {
        !uid.isEmpty && uid.utf8.count <= 64 && !uid.hasPrefix(".")
            && uid.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    static func isValid(containerID id: String) -> Bool {
        id.utf8.count == 64
            && id.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }
}
