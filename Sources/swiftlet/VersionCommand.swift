import ArgumentParser
import KubeAPI

/// `swiftlet version`
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print versions.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "text or json.")
    var output = "text"

    func run() throws {
        if output == "json" {
            let document: JSON = [
                "gitVersion": .string(KubernetesVersion.gitVersion), "tag": .string(global.paths.tag),
                "platform": .string(KubernetesVersion.platform),
            ]
            printOut(String(decoding: document.prettyPrinted(), as: UTF8.self))
        } else {
            printOut("swiftlet \(KubernetesVersion.gitVersion)")
        }
    }
}
