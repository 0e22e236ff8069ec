import KubeAPI

/// Which of a container's three probes.
enum ProbeKind: String, Sendable, Hashable, CaseIterable {
    case startup = "Startup"
    case liveness = "Liveness"
    case readiness = "Readiness"

    /// The container's field.
    var field: String {
        switch self {
        case .startup: "startupProbe"
        case .liveness: "livenessProbe"
        case .readiness: "readinessProbe"
        }
    }
}

/// What a probe or a life-cycle hook does.
enum HealthAction: Sendable, Equatable {
    case httpGet(HTTPGetAction)
    case tcpSocket(host: String, port: JSON)
    case grpc(port: Int, service: String)
    case exec([String])
    case sleep(seconds: Int)
    /// Nothing that we know.
    case none

    init(_ json: JSON) {
        if json["exec"].isObject {
            self = .exec(json["exec"]["command"].items.compactMap(\.string))
        } else if json["httpGet"].isObject {
            self = .httpGet(HTTPGetAction(json["httpGet"]))
        } else if json["tcpSocket"].isObject {
            self = .tcpSocket(host: json["tcpSocket"]["host"].stringValue, port: json["tcpSocket"]["port"])
        } else if json["grpc"].isObject {
            self = .grpc(port: json["grpc"]["port"].int ?? 0, service: json["grpc"]["service"].stringValue)
        } else if json["sleep"].isObject {
            self = .sleep(seconds: max(0, json["sleep"]["seconds"].int ?? 0))
        } else {
            self = .none
        }
    }
}

/// One probe of a container, with its times.
struct ProbeSpec: Sendable, Equatable {
    let kind: ProbeKind
    let action: HealthAction
    let initialDelay: Duration
    let timeout: Duration
    let period: Duration
    let successThreshold: Int
    let failureThreshold: Int
    /// For an end that the probe asks for, in place of the pod's own.
    let graceSeconds: Int?

    /// Nil for a container without it.
    init?(_ kind: ProbeKind, of container: Container) {
        let json = container.json[kind.field]
        guard json.isObject else { return nil }
        self.kind = kind
        action = HealthAction(json)
        // Zero is left out where Kubernetes has a default; manifests on the node have not been through the API.
        func number(_ name: String, _ fallback: Int) -> Int { json[name].int.flatMap { $0 > 0 ? $0 : nil } ?? fallback }
        initialDelay = .seconds(max(0, json["initialDelaySeconds"].int ?? 0))
        timeout = .seconds(number("timeoutSeconds", 1))
        period = .seconds(number("periodSeconds", 10))
        successThreshold = number("successThreshold", 1)
        failureThreshold = number("failureThreshold", 3)
        graceSeconds = json["terminationGracePeriodSeconds"].int
    }
}

extension Container {
    func probe(_ kind: ProbeKind) -> ProbeSpec? { ProbeSpec(kind, of: self) }

    /// What is done after the start; nil for nothing.
    var postStart: HealthAction? { hook("postStart") }
    /// What is done before the end; nil for nothing.
    var preStop: HealthAction? { hook("preStop") }

    private func hook(_ name: String) -> HealthAction? {
        let hook = json["lifecycle"][name]
        return hook.isObject ? HealthAction(hook) : nil
    }

    /// The number of a probe's port (kubernetes pkg/probe, `ResolveContainerPort`). Throws in its words.
    func probePort(_ port: JSON) throws(HealthActionError) -> Int {
        let number: Int
        if let text = port.string {
            if let named = self.port(port) {
                number = named
            } else if let parsed = Int(text) {
                // Perhaps a number that was written as a string.
                number = parsed
            } else {
                throw HealthActionError("strconv.Atoi: parsing \"\(text)\": invalid syntax")
            }
        } else {
            number = port.int ?? 0
        }
        guard (1...65535).contains(number) else { throw HealthActionError("invalid port number: \(number)") }
        return number
    }
}

/// A probe or hook that could not even be tried.
struct HealthActionError: Error, Sendable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
