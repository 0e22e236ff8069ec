/// A container of a pod.
public struct Container: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    public var image: String { json["image"].stringValue }
    /// In place of the image's entry point; empty for the image's.
    public var command: [String] { json["command"].items.compactMap(\.string) }
    public var args: [String] { json["args"].items.compactMap(\.string) }
    /// Nil for the image's.
    public var workingDir: String? { json["workingDir"].string.nonEmpty }
    public var ports: [JSON] { json["ports"].items }
    public var env: [JSON] { json["env"].items }
    public var envFrom: [JSON] { json["envFrom"].items }
    public var volumeMounts: [JSON] { json["volumeMounts"].items }
    public var securityContext: JSON { json["securityContext"] }
    public var imagePullPolicy: String { json["imagePullPolicy"].string ?? "IfNotPresent" }
    /// An init container that runs beside the others (restartPolicy Always).
    public var isSidecar: Bool { json["restartPolicy"].string == "Always" }
    public var terminationMessagePath: String { json["terminationMessagePath"].string ?? "/dev/termination-log" }
    public var terminationMessagePolicy: String { json["terminationMessagePolicy"].string ?? "File" }
    public var tty: Bool { json["tty"].bool ?? false }
    public var stdin: Bool { json["stdin"].bool ?? false }
    public var requests: [String: Quantity] { json["resources"]["requests"].quantities }
    public var limits: [String: Quantity] { json["resources"]["limits"].quantities }
    /// Of an ephemeral container: the one whose processes it sees; nil for its own alone.
    public var targetContainerName: String? { json["targetContainerName"].string.nonEmpty }
    /// The number of a port, given as a number or by its name; nil where the container has no such port.
    public func port(_ target: JSON) -> Int? {
        if case .int(let number) = target { return Int(number) }
        guard let name = target.string else { return nil }
        return ports.first { $0["name"].string == name }?["containerPort"].int
    }
}

extension JSON {
    /// A map of resources; what is no quantity is left out.
    var quantities: [String: Quantity] {
        var result: [String: Quantity] = [:]
        for (name, value) in object ?? JSONObject() { result[name] = Quantity(value) }
        return result
    }
}
