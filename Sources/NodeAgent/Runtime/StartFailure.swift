import Glibc
import Kernel

/// Words for where a container's start failed.
enum StartFailure {
    /// Sources/PodInit/protocol.h, enum stage.
    enum Stage: UInt32 {
        case `protocol` = 1
        case plan, log, clone, cgroup, namespace, source, root, mount, device, mask, pivot, workingDirectory
        case capabilities, user, seccomp, descriptors, lookup, exec, oomScore, terminal, streams
    }

    static func error(_ report: SupervisorProtocol.FailureReport) -> RuntimeError {
        let subject = report.subject
        let words = KernelError.words(report.code)
        switch Stage(rawValue: report.stage) {
        case .lookup:
            return RuntimeError(
                .cannotStart(exitCode: 127), "exec: \"\(subject)\": executable file not found in $PATH")
        case .exec:
            let code = report.code == ENOENT ? 127 : report.code == EACCES || report.code == ENOEXEC ? 126 : 128
            return RuntimeError(.cannotStart(exitCode: code), "exec: \"\(subject)\": \(words)")
        case .workingDirectory:
            return RuntimeError(.cannotStart(exitCode: 128), "chdir to cwd (\"\(subject)\"): \(words)")
        case .source: return failure("mount \"\(subject)\" from the node", words)
        case .mount: return failure("mount at \"\(subject)\"", words)
        case .root: return failure("build root file system (\(subject))", words)
        case .mask: return failure("protect \"\(subject)\"", words)
        case .device: return failure("create device \"\(subject)\"", words)
        case .log: return failure("open log \(subject)", words)
        case .cgroup: return failure("join cgroup \(subject)", words)
        case .namespace: return failure("enter namespace (\(subject))", words)
        case .pivot: return failure("enter root file system", words)
        case .capabilities: return failure("set capabilities (\(subject))", words)
        case .user: return failure("set \(subject)", words)
        case .seccomp: return failure("load seccomp filter", words)
        case .oomScore: return failure("set oom_score_adj \(subject)", words)
        case .clone: return failure("create process", words)
        case .terminal: return failure("open terminal (\(subject))", words)
        case .streams: return failure("use streams", words)
        case .descriptors: return failure("prepare descriptors", words)
        case .plan: return failure("read plan", words)
        case .protocol, nil: return failure("ask supervisor", words)
        }
    }

    private static func failure(_ what: String, _ words: String) -> RuntimeError {
        RuntimeError(.cannotStart(exitCode: 128), "cannot \(what): \(words)")
    }
}
