import Glibc
import KubeAPI
import Logging
import Testing

@testable import Transport

@Suite struct KubeconfigClientTests {
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test func waitsForItsFileAndTakesTheContextThatIsAskedFor() async throws {
        let path = "/tmp/kubeconfig-client-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        defer { unlink(path) }
        let loops = EventLoops(count: 1)
        let client = KubeconfigClient(path: path, context: "proxy", loops: loops, log: quiet)
        await #expect(throws: APIConnectionError.self) { try await client.get(.pods, namespace: "default", name: "p") }
        try PrivateFile.write(
            Array(
                """
                {"kind": "Config", "current-context": "node", "users": [],
                 "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}},
                              {"name": "b", "cluster": {"server": "http://127.0.0.1:2"}}],
                 "contexts": [{"name": "node", "context": {"cluster": "a"}},
                              {"name": "proxy", "context": {"cluster": "b"}}]}
                """.utf8), to: path)
        // It does not look at the file more often than once a second.
        var message = "no such file"
        while message.contains("o such file") {
            do {
                _ = try await client.get(.pods, namespace: "default", name: "p")
            } catch let error as APIConnectionError {
                message = error.description
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(message.contains("127.0.0.1:2"), "\(message)")
        await loops.shutdown()
    }
}
