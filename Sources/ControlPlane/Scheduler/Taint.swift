import KubeAPI

/// A taint of a node (https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/).
struct Taint: Sendable, Equatable {
    let key: String
    let value: String
    let effect: String

    init(_ json: JSON) {
        key = json["key"].stringValue
        value = json["value"].stringValue
        effect = json["effect"].stringValue
    }

    init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    /// Keeps pods from being placed.
    var isHard: Bool { effect == "NoSchedule" || effect == "NoExecute" }
    /// Only makes the node less wanted.
    var isSoft: Bool { effect == "PreferNoSchedule" }

    func isTolerated(by tolerations: [Toleration]) -> Bool { tolerations.contains { $0.bears(self) } }
}

/// What a pod bears of its node.
struct Toleration: Sendable {
    let key: String
    let isExists: Bool
    let isEqual: Bool
    let value: String
    /// Empty for all effects.
    let effect: String
    /// For how long a NoExecute taint is borne; nil for ever.
    let seconds: Int?

    init(_ json: JSON) {
        key = json["key"].stringValue
        let op = json["operator"].stringValue
        isExists = op == "Exists"
        isEqual = op.isEmpty || op == "Equal"
        value = json["value"].stringValue
        effect = json["effect"].stringValue
        seconds = json["tolerationSeconds"].int
    }

    func bears(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect else { return false }
        if isExists { return key.isEmpty || key == taint.key }
        return isEqual && key == taint.key && value == taint.value
    }
}
