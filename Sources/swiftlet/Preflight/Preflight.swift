import KubeAPI

/// What a machine must have, looked at without changing anything.
struct Preflight {
    enum Verdict: String {
        case ok = "OK"
        /// Something works in a lesser way.
        case warning = "WARN"
        /// The daemon can't run.
        case failure = "FAIL"
    }

    /// One thing that was looked at.
    struct Finding {
        let name: String
        let verdict: Verdict
        /// What there is.
        let detail: String
        /// What to do about it; empty where all is well.
        let remedy: String

        static func ok(_ name: String, _ detail: String) -> Finding {
            Finding(name: name, verdict: .ok, detail: detail, remedy: "")
        }
        static func warning(_ name: String, _ detail: String, _ remedy: String) -> Finding {
            Finding(name: name, verdict: .warning, detail: detail, remedy: remedy)
        }
        static func failure(_ name: String, _ detail: String, _ remedy: String) -> Finding {
            Finding(name: name, verdict: .failure, detail: detail, remedy: remedy)
        }

        var json: JSON {
            [
                "name": .string(name), "verdict": .string(verdict.rawValue), "detail": .string(detail),
                "remedy": remedy.isEmpty ? .null : .string(remedy),
            ]
        }
    }

    let findings: [Finding]

    /// Looks at everything. `dataDir` may not exist yet.
    init(paths: Paths) {
        findings = KernelChecks.all() + NetworkChecks.all() + FirewallChecks.all() + HostChecks.all(paths: paths)
    }

    var failures: [Finding] { findings.filter { $0.verdict == .failure } }

    /// Lines of `VERDICT name: detail`, each with its remedy below. `onlyTroubles` leaves out what is well.
    func text(onlyTroubles: Bool) -> String {
        findings.filter { !onlyTroubles || $0.verdict != .ok }.map { finding in
            let padding = String(repeating: " ", count: 5 - finding.verdict.rawValue.count)
            let line = "\(finding.verdict.rawValue)\(padding)\(finding.name): \(finding.detail)"
            return finding.remedy.isEmpty ? line : "\(line)\n       → \(finding.remedy)"
        }.joined(separator: "\n")
    }

    var json: JSON {
        [
            "ok": .bool(failures.isEmpty), "kubernetesVersion": .string(KubernetesVersion.gitVersion),
            "checks": .array(findings.map(\.json)),
        ]
    }
}
