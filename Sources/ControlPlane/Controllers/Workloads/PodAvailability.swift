import KubeAPI

extension Pod {
    /// How long until the pod, if it stays ready, has been so for `wait`: zero for one that is available, nil for one
    /// that is not ready.
    func timeToAvailability(after wait: Duration, _ now: Timestamp = .now()) -> Duration? {
        guard let ready = condition("Ready"), ready["status"].string == "True" else { return nil }
        guard wait > .zero, let since = Timestamp(ready["lastTransitionTime"]) else { return .zero }
        return max(.zero, wait - (now - since))
    }

    func isAvailable(after wait: Duration, _ now: Timestamp = .now()) -> Bool {
        timeToAvailability(after: wait, now) == .zero
    }

    /// Neither ended nor on its way out.
    var isActive: Bool { !isTerminal && !isDeleting }
}
