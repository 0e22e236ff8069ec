import ArgumentParser
import Glibc
import KubeAPI
import Logging
import NodeAgent
import Synchronization

extension ImageCommand {
    /// `swiftlet image pull`
    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Pull images from their registries.",
            discussion: """
                The daemon does it where one runs, so that pods and this command share what they fetch. A pull that is \
                broken off goes on where it was.
                """)

        @OptionGroup var global: GlobalOptions
        @OptionGroup var registries: RegistryOptions
        @Option(help: ArgumentHelp("What registries are shown that ask for it.", valueName: "user[:password]"))
        var creds: String?
        @Flag(name: .shortAndLong, help: "Print the images' ids alone.")
        var quiet = false
        @Argument(help: "Names: [registry/]repository[:tag][@digest].")
        var images: [String]

        func run() async throws {
            let socket = NodeSocket(path: global.paths.kubeletSocket)
            for image in images {
                let meter = PullMeter(isQuiet: quiet)
                var line: [UInt8] = []
                var result: JSON = .null
                let isRunning = try await socket.streamIfRunning(
                    "POST", "/images/pull", [("image", image)],
                    headers: creds.map { [("Authorization", "Basic " + Base64.encode(Array($0.utf8)))] } ?? [],
                    to: "pull \(image)"
                ) { piece in
                    line += piece
                    while let end = line.firstIndex(of: UInt8(ascii: "\n")) {
                        let document = try JSON.parse(line[..<end])
                        line.removeSubrange(...end)
                        if document["receivedBytes"].isNull { result = document } else { meter.show(.init(document)) }
                    }
                }
                if !isRunning { result = try await direct(image, meter) }
                meter.end()
                if let error = result["error"].string { throw CommandError("cannot pull \(image): \(error)") }
                guard let id = result["id"].string else {
                    throw CommandError("cannot pull \(image): the daemon broke off")
                }
                report(image, id, result)
            }
        }

        private func report(_ image: String, _ id: String, _ result: JSON) {
            guard !quiet else { return printOut(id) }
            let took = Duration.milliseconds(result["durationMs"].int ?? 0).goDescription
            let verb = result["wasPresent"].bool == true ? "up to date" : "pulled"
            printOut("\(verb) \(result["repoDigest"].stringValue) (\(id.dropFirst(7).prefix(12))) in \(took)")
        }

        private func direct(_ image: String, _ meter: PullMeter) async throws -> JSON {
            let puller = ImagePuller(
                store: try ImageCommand.store(global), registriesFile: registries.file(global.paths),
                log: Logger(label: "image") { _ in SwiftLogNoOpLogHandler() })
            var watching: Task<Void, Never>?
            let result: JSON
            do {
                result = try await puller.pull(image, userInfo: creds) { progress in
                    watching = Task {
                        while (try? await Task.sleep(for: .milliseconds(100))) != nil { meter.show(progress.snapshot) }
                    }
                }.json
            } catch {
                result = ["error": .string("\(error)")]
            }
            watching?.cancel()
            await watching?.value
            await puller.stop()
            return result
        }
    }
}

/// Where registries' settings lie.
struct RegistryOptions: ParsableArguments {
    @Option(help: "File of mirrors and of settings of registries (default: /etc/swiftlet/registries.yaml).")
    var registries: String?

    func file(_ paths: Paths) -> String { registries.map { paths.root + $0 } ?? paths.registries }
}

/// Shows how far a pull is, on standard error: one line that moves on a terminal, else a line for each layer.
private final class PullMeter: Sendable {
    private let isQuiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let shown = Mutex(PullProgress.Snapshot())

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    func show(_ now: PullProgress.Snapshot) {
        guard !isQuiet, now.layers > 0 else { return }
        let before = shown.withLock { shown in
            defer { shown = now }
            return shown
        }
        guard isTerminal ? before != now : before.unpackedLayers != now.unpackedLayers else { return }
        let received = ImageCommand.size(min(now.receivedBytes, now.totalBytes))
        let line =
            "\(received) of \(ImageCommand.size(now.totalBytes)), \(now.unpackedLayers) of \(now.layers) layers unpacked"
        printError(isTerminal ? "\r\(line)\u{1b}[K" : line + "\n")
    }

    func end() { if !isQuiet, isTerminal { printError("\r\u{1b}[K") } }

    private func printError(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)  // a closed terminal misses a number
    }
}
