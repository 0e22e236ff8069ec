/// A part of the system that runs once per root. Each has a lock of its own, so that parts run in one process or in
/// several, but none twice.
enum Role: String, CaseIterable, Sendable {
    case apiserver, scheduler
    case controllerManager = "controller-manager"
    case kubelet, proxy

    static let server: [Role] = [.apiserver, .scheduler, .controllerManager]
    static let agent: [Role] = [.kubelet, .proxy]
}
