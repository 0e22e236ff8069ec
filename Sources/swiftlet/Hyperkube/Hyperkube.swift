import Glibc
import KubeAPI

/// The binary under the original's name: `hyperkube COMPONENT [FLAGS]`, with the flags as they were spelt. What they mean
/// here is passed on to the component; one that means nothing any more is accepted with a warning.
enum Hyperkube {
    /// Whether the process was started by that name.
    static var isCalled: Bool {
        CommandLine.arguments.first?.split(separator: "/").last.map { $0 == "hyperkube" } ?? false
    }

    /// The component's command line as ours has it.
    /// - Parameters:
    ///   - arguments: the component and its flags.
    ///   - knows: whether the component has a flag of that name itself.
    ///   - warn: called with each warning.
    static func translate(
        _ arguments: [String], knows: (_ component: String, _ flag: String) -> Bool, warn: (String) -> Void
    ) throws -> [String] {
        guard var component = arguments.first, !["-h", "--help", "help"].contains(component) else {
            throw CommandError(usage)
        }
        if component.hasPrefix("kube-") { component.removeFirst("kube-".count) }
        guard let old = OldFlags.components[component] else {
            throw CommandError("hyperkube has no component \"\(component)\"\n\(usage)")
        }
        var result: [String] = []
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("-"), argument.count > 1 else {
                throw CommandError("hyperkube \(component): unexpected argument \"\(argument)\"")
            }
            if ["-h", "--help"].contains(argument) { return [component, "--help"] }
            var (name, value) = Spelling.split(argument)
            let isOurs = knows(component, name)
            guard let flag = old[name], !(isOurs && flag.isVoid) else {
                guard isOurs else { throw CommandError("hyperkube \(component): unknown flag: --\(name)") }
                // The value that may follow is passed on as it is.
                result.append(argument)
                if value == nil, let next = rest.first, !next.hasPrefix("-") { result.append(rest.removeFirst()) }
                continue
            }
            if value == nil, !flag.isSwitch {
                guard let next = rest.popFirst() else {
                    throw CommandError("hyperkube \(component): flag needs an argument: --\(name)")
                }
                value = next
            }
            switch flag.meaning {
            case .ours(let target): result.append("--\(target)=\(value ?? "")")
            case .translated(let target, let translation):
                guard let translated = translation(value ?? "") else {
                    throw CommandError(
                        "hyperkube \(component): invalid argument \"\(value ?? "")\" for --\(name)")
                }
                result.append("--\(target)=\(translated)")
            case .nothing(let why):
                warn("\(argument.prefix { $0 != "=" }) means nothing any more: \(why)")
            }
        }
        return [component] + defaults(of: component, given: result) + result
    }

    /// What was so without saying.
    private static func defaults(of component: String, given: [String]) -> [String] {
        func isGiven(_ flag: String) -> Bool { given.contains { $0 == flag || $0.hasPrefix(flag + "=") } }
        switch component {
        case "apiserver": return isGiven("--insecure-port") ? [] : ["--insecure-port=8080"]
        // The service range of the original's manifests, which node components were not told of.
        case "kubelet", "proxy": return isGiven("--service-cidr") ? [] : ["--service-cidr=10.0.0.0/24"]
        default: return []
        }
    }

    private static let usage = """
        usage: hyperkube COMPONENT [FLAGS]
        components: apiserver, controller-manager, kubelet, proxy, scheduler
        """
}

extension OldFlag {
    fileprivate var isVoid: Bool {
        if case .nothing = meaning { return true }
        return false
    }
}
