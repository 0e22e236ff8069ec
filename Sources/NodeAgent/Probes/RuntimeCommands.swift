/// Commands by the runtime's own means.
struct RuntimeCommands: CommandRunner {
    let runtime: any ContainerRuntime

    /// A hook has no end of its own: that of its container bounds it.
    private static let longest: Duration = .seconds(365 * 24 * 3600)

    func run(_ command: [String], in target: HealthTarget, timeout: Duration?) async throws(HealthActionError)
        -> CommandResult
    {
        do throws(RuntimeError) {
            let outcome = try await runtime.run(
                podUID: target.podUID, containerID: target.containerID, args: command,
                timeout: timeout ?? Self.longest, outputLimit: NodeHealthRunner.bodyLimit)
            let output = String(decoding: outcome.output, as: UTF8.self)
            if outcome.isTimedOut { return CommandResult(end: .timedOut, output: output) }
            if outcome.exit.isLost { throw RuntimeError(.notFound, "the container ended") }
            return CommandResult(end: .exited(outcome.exit.exitCode), output: output)
        } catch {
            // Neither healthy nor unhealthy: it could not be asked (containerd tells it like that).
            throw HealthActionError("failed to exec in container: \(error)")
        }
    }
}
