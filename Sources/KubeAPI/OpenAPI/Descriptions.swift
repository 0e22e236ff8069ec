/// What `kubectl explain` says of types and fields, in our own words. A name that has no entry of its own gets one made
/// of it.
enum Descriptions {
    static func type(_ typeName: String) -> String {
        let name = typeName.split(separator: ".").last.map(String.init) ?? typeName
        return types[name] ?? "\(words(name, capital: true))."
    }

    static func field(_ typeName: String, _ field: String) -> String {
        let name = typeName.split(separator: ".").last.map(String.init) ?? typeName
        return fields["\(name).\(field)"] ?? fields[field] ?? "\(words(field, capital: true)) of the \(words(name, capital: false))."
    }

    /// `terminationGracePeriodSeconds` → `Termination grace period seconds`
    private static func words(_ name: String, capital: Bool) -> String {
        var result = ""
        var previousIsUpper = true
        for character in name {
            if character.isUppercase, !previousIsUpper { result += " " }
            previousIsUpper = character.isUppercase
            result += result.isEmpty && capital ? character.uppercased() : character.lowercased()
        }
        return result
    }

    private static let types: [String: String] = [
        "Pod": "Containers that run together on one node and share a network address and volumes.",
        "PodSpec": "What a pod is to be: its containers, volumes and where it may run.",
        "PodStatus": "What is known of a pod. Written by the node that runs it.",
        "Container": "One program of a pod, with its image, environment and resources.",
        "Service": "A stable address and name for a set of pods, over which connections are spread.",
        "Endpoints": "Addresses behind a service, all in one object.",
        "EndpointSlice": "A part of the addresses behind a service.",
        "ReplicationController": "Keeps a number of equal pods running.",
        "Node": "A machine that runs pods.",
        "Namespace": "A scope for names; deleting it deletes all that it holds.",
        "ConfigMap": "Configuration as text, for pods to read as files or variables.",
        "Secret": "Confidential data, for pods to read as files or variables.",
        "ServiceAccount": "An identity for processes in pods.",
        "Event": "Something that happened to an object, kept for a while.",
        "Lease": "Who holds something, and until when.",
        "ObjectMeta": "What every object has: names, labels, versions, owners.",
    ]

    private static let fields: [String: String] = [
        "apiVersion": "The group and version of the API that this object is written in.",
        "kind": "The kind of this object.",
        "metadata": "Names, labels, versions and owners.",
        "spec": "What is wanted.",
        "status": "What was found. Written by the system.",
        "name": "The name.",
        "labels": "Keys and values to select objects by.",
        "annotations": "Keys and values that tools attach; not for selecting.",
        "Container.image": "The image to run.",
        "Container.command": "The program, in place of the image's entry point.",
        "Container.args": "Arguments, in place of the image's.",
        "Container.env": "Environment variables.",
        "Container.ports": "Ports that the container listens on. For information, and for named targets of services.",
        "Container.resources": "What the container asks for and what it may use at most.",
        "Container.volumeMounts": "Where volumes of the pod appear in the container.",
        "Container.imagePullPolicy": "When the image is fetched: Always, IfNotPresent or Never.",
        "PodSpec.containers": "The containers. At least one.",
        "PodSpec.initContainers": "Containers that run one after the other before the others start.",
        "PodSpec.nodeName": "The node. Set by the scheduler where it is left out.",
        "PodSpec.nodeSelector": "Labels that a node must have to run the pod.",
        "PodSpec.restartPolicy": "Whether ended containers are started again: Always, OnFailure or Never.",
        "PodSpec.terminationGracePeriodSeconds": "Seconds between the request to end and the kill.",
        "PodSpec.volumes": "Volumes that containers can mount.",
        "PodSpec.tolerations": "Taints of nodes that the pod bears.",
        "PodSpec.hostNetwork": "Use the node's network instead of an own address.",
        "ServiceSpec.clusterIP": "The virtual address. Given by the system; None for none.",
        "ServiceSpec.ports": "The ports that the service offers.",
        "ServiceSpec.selector": "Labels of the pods that serve.",
        "ServiceSpec.type": "ClusterIP, NodePort, LoadBalancer or ExternalName.",
        "ReplicationControllerSpec.replicas": "How many pods there should be.",
        "ReplicationControllerSpec.selector": "Labels of the pods that count.",
        "ReplicationControllerSpec.template": "What new pods are made from.",
    ]
}
