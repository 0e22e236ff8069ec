import KubeAPI
import Kernel

/// Profiles in the JSON form that Docker and the OCI runtimes share (`seccompProfile.type: Localhost`).
enum SeccompProfileFile {
    static func compile(_ path: String, _ capabilities: CapabilitySet) throws(RuntimeError) -> SeccompFilter {
        let profile: JSON
        do {
            guard let bytes = try DurableFile.read(path, limit: 1 << 20) else {
                throw RuntimeError(.invalidSpec, "seccomp profile \(path) does not exist")
            }
            profile = try JSON.parse(bytes)
        } catch let error as RuntimeError {
            throw error
        } catch {
            throw RuntimeError(.invalidSpec, "cannot read seccomp profile \(path): \(error)")
        }
        do throws(KernelError) {
            return try SeccompFilter.compile(
                defaultAction: action(profile["defaultAction"], profile["defaultErrnoRet"]),
                rules: rules(profile, capabilities))
        } catch {
            throw RuntimeError(.invalidSpec, "seccomp profile \(path) is not valid: \(error)")
        }
    }

    private static func action(_ name: JSON, _ code: JSON) throws(KernelError) -> SeccompFilter.Action {
        let number = UInt16(clamping: code.int ?? 1)
        switch name.stringValue {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_ERRNO": return .errno(number)
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": return .killThread
        case "SCMP_ACT_KILL_PROCESS": return .killProcess
        case "SCMP_ACT_LOG": return .log
        case "SCMP_ACT_TRAP": return .trap
        default: throw KernelError("use", "action \(name)", code: 22)
        }
    }

    private static func rules(_ profile: JSON, _ capabilities: CapabilitySet) throws(KernelError) -> [SeccompFilter
        .Rule]
    {
        var rules: [SeccompFilter.Rule] = []
        for entry in profile["syscalls"].items {
            let needed = entry["includes"]["caps"].items.compactMap(\.string)
            let unwanted = entry["excludes"]["caps"].items.compactMap(\.string)
            guard needed.allSatisfy(capabilities.contains), !unwanted.contains(where: capabilities.contains) else {
                continue
            }
            let arguments = try entry["args"].items.map { argument throws(KernelError) in
                guard let comparison = SeccompFilter.Comparison(rawValue: argument["op"].stringValue),
                    let index = argument["index"].int, (0..<6).contains(index)
                else { throw KernelError("use", "argument rule \(argument)", code: 22) }
                return SeccompFilter.Argument(
                    index: UInt32(index), comparison: comparison,
                    value: UInt64(bitPattern: Int64(argument["value"].int ?? 0)),
                    valueTwo: UInt64(bitPattern: Int64(argument["valueTwo"].int ?? 0)))
            }
            rules.append(
                SeccompFilter.Rule(
                    names: entry["names"].items.compactMap(\.string) + [entry["name"].string].compactMap(\.self),
                    action: try action(entry["action"], entry["errnoRet"]), arguments: arguments))
        }
        return rules
    }
}
