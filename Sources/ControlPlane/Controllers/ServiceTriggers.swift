import KubeAPI

/// Which services a pod's change concerns.
enum ServiceTriggers {
    static func add(_ event: Informer.Event, _ services: ObjectIndex, _ queue: WorkQueue<String>) {
        var labelSets = [event.object["metadata"]["labels"]]
        if case .updated(let old, let new) = event {
            let before = old["metadata"]["labels"]
            if before == labelSets[0], !changesEndpoint(Pod(old), Pod(new)) { return }
            if before != labelSets[0] { labelSets.append(before) }
        }
        for object in services(event.object.namespace) {
            guard let selector = Service(object).selector else { continue }
            let isConcerned = labelSets.contains { labels in
                selector.allSatisfy { labels[$0.key].string == $0.value }
            }
            if isConcerned { queue.add(object.objectKey) }
        }
    }

    /// Most updates of a pod (a container's start time, say) change no endpoint.
    private static func changesEndpoint(_ old: Pod, _ new: Pod) -> Bool {
        old.podIPs != new.podIPs || old.isReady != new.isReady || old.isDeleting != new.isDeleting
            || old.isTerminal != new.isTerminal || old.nodeName != new.nodeName
            || old.spec["hostname"] != new.spec["hostname"] || old.spec["subdomain"] != new.spec["subdomain"]
    }
}
