import Glibc
import Kernel
import Logging
import Transport

/// Runs one command in a container for one client.
struct ExecStream: Sendable {
    let runtime: any ContainerRuntime
    let podUID: String
    let containerID: String
    let command: [String]
    let log: Logger

    /// Those who hold a terminal open after the command's end are not waited for longer than it takes to read what is
    /// left in it: the terminal is hung up, as a shell's is at logout.
    private static let terminalRest = Duration.milliseconds(100)

    func begin(_ session: RemoteCommandSession) {
        Task { session.finish(await run(session)) }
    }

    private func run(_ session: RemoteCommandSession) async -> RemoteCommandOutcome {
        let options = session.options
        let spec = ExecSpec(
            args: command, tty: options.tty, window: session.size, stdin: options.stdin, stdout: options.stdout,
            stderr: options.stderr)
        let exec: ExecSession
        do throws(RuntimeError) {
            exec = try await runtime.exec(podUID: podUID, containerID: containerID, spec)
        } catch {
            log.debug("cannot execute a command", metadata: ["uid": "\(podUID)", "err": "\(error)"])
            return .failed("error executing command in container: \(error)")
        }
        session.connect(
            CommandDescriptors(
                stdin: raw(exec.take(.stdin)), stdout: raw(exec.take(.stdout)), stderr: raw(exec.take(.stderr)),
                terminal: raw(exec.take(.terminal))))
        session.onResize { exec.resize(rows: $0.height, columns: $0.width) }
        session.onClose {
            exec.close()
            // A terminal that nobody looks at any more is hung up; what has ended does not hear it.
            if options.tty { Task { try? await exec.signal(SIGHUP) } }
        }
        let exit = await exec.exit()
        if options.tty { session.abandonOutputs(after: Self.terminalRest) }
        if exit.isLost { return .failed("error executing command in container: the pod's supervisor has ended") }
        if exit.exitCode == 0 { return .succeeded }
        return .exited(
            code: exit.exitCode,
            text: "error executing command [\(command.joined(separator: " "))], exit code \(exit.exitCode)")
    }
}

/// The descriptor's number, which is given away; nil where there is none.
func raw(_ descriptor: consuming FileDescriptor?) -> Int32? {
    switch consume descriptor {
    case .some(let descriptor): descriptor.release()
    case .none: nil
    }
}
