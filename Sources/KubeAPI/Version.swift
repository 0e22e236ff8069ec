/// The version that we report, in one place.
public enum KubernetesVersion {
    public static let major = "1"
    public static let minor = "35"
    /// What `/version`, the node's kubeletVersion and `swiftlet version` say.
    public static let gitVersion = "v1.35.7+swiftlet"
    public static let platform: String = {
        #if arch(x86_64)
            "linux/amd64"
        #elseif arch(arm64)
            "linux/arm64"
        #else
            "linux/unknown"
        #endif
    }()

    /// The document of `GET /version`. Clients parse major, minor and gitVersion; the Go fields are ours to name.
    public static let document: JSON = [
        "major": .string(major), "minor": .string(minor), "gitVersion": .string(gitVersion), "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "swift6.3", "compiler": "swiftc",
        "platform": .string(platform),
    ]
}
