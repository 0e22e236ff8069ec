import Glibc
import Testing

/// The walls of ARCHITECTURE.md, held by reading the sources: who may import what, and what nobody may.
@Suite struct WallTests {
    /// Modules of ours that each target may import; a target that is not listed is not checked.
    static let allowed: [String: Set<String>] = [
        "KubeAPI": ["CYAML"],
        "Kernel": ["CLinux", "CCap", "CSeccomp"],
        "Transport": ["KubeAPI", "CZlib"],
        "ControlPlane": ["KubeAPI", "Transport", "CSQLite"],
        "NodeAgent": ["KubeAPI", "Kernel", "Transport", "CArchive", "CPodInit"],
        "ProxyDataPath": ["KubeAPI", "Kernel", "CNetfilter"],
        "DNS": ["KubeAPI", "Kernel"],
        "swiftlet": ["KubeAPI", "Kernel", "Transport", "ControlPlane", "NodeAgent", "ProxyDataPath", "DNS"],
    ]
    static let ours: Set<String> = [
        "CLinux", "CNetfilter", "CSQLite", "CCap", "CSeccomp", "CArchive", "CYAML", "CZlib", "CPodInit", "KubeAPI",
        "Kernel", "Transport", "ControlPlane", "NodeAgent", "ProxyDataPath", "DNS",
    ]

    @Test(arguments: allowed.keys.sorted())
    func importsOnlyWhatItsWallsLetThrough(target: String) throws {
        let files = Sources.swiftFiles(in: "Sources/\(target)")
        #expect(!files.isEmpty)
        for file in files {
            let crossing = try Sources.imports(of: file).intersection(Self.ours)
                .subtracting(Self.allowed[target] ?? []).subtracting([target])
            #expect(crossing.isEmpty, "\(file) imports \(crossing.sorted().joined(separator: ", "))")
        }
    }

    @Test func nobodyImportsFoundation() throws {
        for file in Sources.swiftFiles(in: "Sources") + Sources.swiftFiles(in: "Tests") {
            #expect(try !Sources.imports(of: file).contains("Foundation"), "\(file) imports Foundation")
        }
    }

    @Test func onlyTransportSeesTheNetworkLibrary() throws {
        for file in Sources.swiftFiles(in: "Sources") where !file.hasPrefix("Sources/Transport/") {
            let network = try Sources.imports(of: file).filter { $0.hasPrefix("NIO") }
            #expect(network.isEmpty, "\(file) imports \(network.sorted().joined(separator: ", "))")
        }
    }

    @Test func onlyTheStoreSeesSQLite() throws {
        for file in Sources.swiftFiles(in: "Sources") where !file.hasPrefix("Sources/ControlPlane/Store/") {
            #expect(try !Sources.imports(of: file).contains("CSQLite"), "\(file) imports CSQLite")
        }
    }

    @Test func onlyTheBinaryParsesArguments() throws {
        for file in Sources.swiftFiles(in: "Sources") where !file.hasPrefix("Sources/swiftlet/") {
            #expect(try !Sources.imports(of: file).contains("ArgumentParser"), "\(file) imports ArgumentParser")
        }
    }

    @Test func noForcedTryInTheSources() throws {
        for file in Sources.swiftFiles(in: "Sources") {
            let text = try Sources.read(file)
            #expect(!text.contains("try" + "! "), "\(file) forces a try")
        }
    }
}
