import KubeAPI

/// Events of one pod, in Kubernetes' words. They wait until `flush`, so that they don't compete with the status.
struct PodEvents {
    private let recorder: NodeEvents
    private var waiting: [(type: EventRecorder.EventType, reason: String, message: String, container: String?)] = []

    init(recorder: NodeEvents) { self.recorder = recorder }

    mutating func normal(_ reason: String, _ message: String, container: String? = nil) {
        waiting.append((.normal, reason, message, container))
    }
    mutating func warning(_ reason: String, _ message: String, container: String? = nil) {
        waiting.append((.warning, reason, message, container))
    }

    mutating func flush(_ pod: Pod) {
        guard !waiting.isEmpty else { return }
        var object = pod.json
        if object["kind"].isNull {
            object["kind"] = "Pod"
            object["apiVersion"] = "v1"
        }
        for event in waiting {
            let path = event.container.map { name -> String in
                let list =
                    pod.isInitContainer(name)
                    ? "initContainers" : pod.isEphemeral(name) ? "ephemeralContainers" : "containers"
                return "spec.\(list){\(name)}"
            }
            recorder.record(
                object: object, type: event.type, reason: event.reason, message: event.message, fieldPath: path ?? "")
        }
        waiting = []
    }
}
