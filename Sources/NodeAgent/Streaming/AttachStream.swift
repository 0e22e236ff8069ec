import Kernel
import Synchronization
import Transport

/// Joins one client with a container that runs, until one of them ends.
struct AttachStream: Sendable {
    let runtime: any ContainerRuntime
    let worker: PodWorker
    let container: String
    let containerID: String

    func begin(_ session: RemoteCommandSession) {
        Task {
            let options = session.options
            let attach: AttachSession
            do throws(RuntimeError) {
                attach = try await runtime.attach(
                    podUID: worker.uid, containerID: containerID,
                    AttachSpec(stdin: options.stdin, stdout: options.stdout, stderr: options.stderr))
            } catch {
                return session.finish(.failed("error attaching to container: \(error)"))
            }
            let output = raw(attach.take(.stdout))
            let errors = raw(attach.take(.stderr))
            session.connect(CommandDescriptors(stdin: raw(attach.take(.stdin)), stdout: output, stderr: errors))
            session.onResize { size in Task { await attach.resize(rows: size.height, columns: size.width) } }
            session.onClose { attach.close() }
            // Outputs end with the container. What attaches for input alone must look at the pod.
            if output == nil, errors == nil { await waitForEnd(session) }
            session.finish(.succeeded)
        }
    }

    private func waitForEnd(_ session: RemoteCommandSession) async {
        let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let token = worker.onChange { signal.yield() }
        session.onClose { signal.finish() }
        defer { worker.cancel(token) }
        var wakes = signals.makeAsyncIterator()
        while let run = worker.snapshot.state.run(of: container), run.id == containerID, run.isRunning {
            if await wakes.next() == nil { return }
        }
    }
}
