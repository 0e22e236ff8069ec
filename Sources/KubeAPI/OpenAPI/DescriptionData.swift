/// Short descriptions, one a line: `Type`, `Type.field`, `.field` (of any type), `?parameter`, `Kind|Column`, `|Column`.
enum DescriptionData {
    static let text: StaticString = """
        Affinity: Which nodes and which neighbours a pod wants.
        Binding: Puts a pod on a node.
        Capabilities: Linux capabilities to add to the runtime's set or to take from it.
        ConfigMap: Configuration as text, for pods to read as files or variables.
        ConfigMapVolumeSource: Files made of a ConfigMap's entries.
        Container: One program of a pod, with its image, environment and resources.
        ContainerMetrics: What one container uses.
        ContainerPort: A port that a container listens on.
        ContainerState: What a container is doing: one of waiting, running, terminated.
        ContainerStatus: What is known of a container. Written by the node that runs it.
        ControllerRevision: A state of a controller's template, kept so that it can be gone back to.
        DaemonSet: Runs one pod on every node that fits.
        DaemonSetCondition: A claim about a daemon set.
        DaemonSetSpec: What is to run on the nodes, and how a change gets there.
        DaemonSetStatus: On how many nodes the pod runs.
        DaemonSetUpdateStrategy: How a daemon set's pods are replaced.
        DeleteOptions: How an object is deleted.
        Deployment: Keeps a number of equal pods running and brings changes of them about step by step.
        DeploymentCondition: A claim about a deployment.
        DeploymentSpec: How many pods there should be, of what kind, and how a change gets there.
        DeploymentStatus: How many pods there are, and how far a rollout is.
        DeploymentStrategy: How a deployment's pods are replaced.
        EmptyDirVolumeSource: A directory that starts empty and goes with the pod.
        Endpoint: One address behind a service, with its state.
        EndpointSlice: A part of the addresses behind a service.
        Endpoints: The addresses behind a service, all in one object. EndpointSlices are the newer form.
        EnvVar: An environment variable.
        EnvVarSource: Where a variable's value comes from.
        Event: Something that happened to an object, kept for a while.
        Eviction: A request to remove a pod if that leaves enough of its kind.
        ExecAction: A command that is run in the container.
        HTTPGetAction: An HTTP request to the container.
        HostPathVolumeSource: A file or directory of the node.
        Job: Runs pods until enough of them have succeeded.
        JobCondition: A claim about a job.
        JobSpec: What is to be done, how often and how many at a time.
        JobStatus: How far the job is.
        Lease: Who holds something, and until when.
        Lifecycle: What is done after a container's start and before its stop.
        Namespace: A scope for names; deleting it deletes all that it holds.
        Node: A machine that runs pods.
        NodeMetrics: What a node uses, measured when it is asked for.
        NodeSpec: What is wanted of a node.
        NodeStatus: What is known of a node. Written by its agent.
        ObjectMeta: What every object has: names, labels, versions, owners.
        ObjectReference: Names another object.
        OwnerReference: Names an object that this one belongs to and goes with.
        Pod: Containers that run together on one node and share a network address and volumes.
        PodFailurePolicy: Rules about failures of a job's pods; the first that fits counts.
        PodFailurePolicyOnExitCodesRequirement: Which exit codes a rule is about.
        PodFailurePolicyOnPodConditionsPattern: Which condition of a pod a rule is about.
        PodFailurePolicyRule: What is done about one sort of failure.
        PodMetrics: What the containers of a pod use, measured when it is asked for.
        PodSecurityContext: User, groups and privileges of all containers of a pod.
        PodSpec: What a pod is to be: its containers, its volumes and where it may run.
        PodStatus: What is known of a pod. Written by the node that runs it.
        PodTemplateSpec: What new pods are made from.
        Probe: A check of a container, repeated while it runs.
        ReplicaSet: Keeps a number of equal pods running. Most are made by deployments.
        ReplicaSetCondition: A claim about a replica set.
        ReplicaSetSpec: How many pods there should be, and of what kind.
        ReplicaSetStatus: How many pods there are.
        ReplicationController: Keeps a number of equal pods running.
        ReplicationControllerSpec: How many pods there should be, and of what kind.
        ReplicationControllerStatus: How many pods there are.
        ResourceRequirements: What a container asks for and what it may use at most.
        RollingUpdateDaemonSet: How far a rolling update of a daemon set may go at a time.
        RollingUpdateDeployment: How far a rolling update of a deployment may go at a time.
        Scale: How many pods a controller keeps; the same form for all controllers.
        Secret: Confidential data, for pods to read as files or variables.
        SecurityContext: User, groups and privileges of one container.
        Service: A stable address and name for a set of pods, over which connections are spread.
        ServiceAccount: An identity for processes in pods.
        ServicePort: A port of a service and where it leads.
        ServiceSpec: What a service offers and to whom it leads.
        ServiceStatus: What is known of a service.
        Status: The outcome of a request.
        SuccessPolicy: Rules by which an indexed job is done; the first that holds counts.
        SuccessPolicyRule: What must have succeeded.
        TCPSocketAction: A connection to a port of the container.
        Taint: Keeps pods away that do not tolerate it.
        Toleration: A taint that a pod bears.
        UncountedTerminatedPods: Pods that have ended and are about to be counted, by their uid.
        Volume: A directory or file that containers of a pod can mount.
        VolumeMount: Where a volume appears in a container.
        .annotations: Keys and values that tools attach; not for selecting.
        .apiVersion: The group and version of the API that this object is written in.
        .conditions: Claims about the object's state, each with when and why it last changed.
        .kind: The kind of this object.
        .labels: Keys and values to select objects by.
        .lastProbeTime: When it was last looked at.
        .lastTransitionTime: When the status last changed.
        .message: An explanation for people.
        .metadata: Names, labels, versions and owners.
        .name: The name.
        .namespace: The namespace.
        .observedGeneration: The generation that the status speaks of.
        .optional: Whether it is fine if the object or key is not there.
        .reason: Why, in one word for programs.
        .resourceVersion: The version of the object.
        .spec: What is wanted.
        .status: What was found. Written by the system.
        .timestamp: When the last reading was taken.
        .type: The type.
        .uid: The identity of the object, never used twice.
        Affinity.nodeAffinity: Which nodes the pod needs or prefers.
        Affinity.podAffinity: Which pods it needs or prefers nearby.
        Affinity.podAntiAffinity: Which pods it must not or would rather not have nearby.
        Binding.target: The node.
        Capabilities.add: Capabilities to add, without CAP_.
        Capabilities.drop: Capabilities to take away; ALL for all.
        ConfigMap.binaryData: Entries that are not text, in base64.
        ConfigMap.data: Entries: name and text.
        ConfigMap.immutable: Whether the entries can no longer be changed.
        ConfigMapKeySelector.key: The entry.
        ConfigMapVolumeSource.defaultMode: Permissions of the files.
        ConfigMapVolumeSource.items: The entries to show, and as what files; without any, all.
        Container.args: Arguments, in place of the image's.
        Container.command: The program, in place of the image's entry point.
        Container.env: Environment variables.
        Container.envFrom: ConfigMaps and Secrets whose entries become variables.
        Container.image: The image to run.
        Container.imagePullPolicy: When the image is fetched: Always, IfNotPresent or Never.
        Container.lifecycle: What is done after the start and before the stop.
        Container.livenessProbe: A check; when it fails the container is restarted.
        Container.name: The name, unique in the pod.
        Container.ports: Ports that the container listens on. For information, and for services that name their target.
        Container.readinessProbe: A check; while it fails services send nothing to the pod.
        Container.resources: What the container asks for and what it may use at most.
        Container.restartPolicy: Of an init container, Always makes it run beside the others.
        Container.securityContext: User, groups and privileges.
        Container.startupProbe: A check; until it succeeds the other checks wait.
        Container.stdin: Whether the standard input stays open for clients that attach.
        Container.stdinOnce: Whether the standard input closes when the first client goes.
        Container.terminationMessagePath: The file in which the program may leave a last message.
        Container.terminationMessagePolicy: Whether the end of the log will do for the last message.
        Container.tty: Whether the program gets a terminal.
        Container.volumeDevices: Block devices that appear in the container.
        Container.volumeMounts: Where volumes of the pod appear in the container.
        Container.workingDir: The directory in which the program starts, in place of the image's.
        ContainerMetrics.usage: Processors in cores over the window, and memory that can't be given up at once.
        ContainerPort.containerPort: The port.
        ContainerPort.hostIP: The node's address at which hostPort is reached.
        ContainerPort.hostPort: The port of the node that leads to this one.
        ContainerPort.name: A name by which services and probes can mean the port.
        ContainerPort.protocol: TCP, UDP or SCTP.
        ContainerState.running: Since when it runs.
        ContainerState.terminated: How and when it ended.
        ContainerState.waiting: Why it does not run yet.
        ContainerStatus.containerID: The container's identity at the runtime.
        ContainerStatus.image: The image that runs.
        ContainerStatus.imageID: The digest of the image that runs.
        ContainerStatus.lastState: How the previous container ended.
        ContainerStatus.ready: Whether services may send to it.
        ContainerStatus.restartCount: How often it was restarted.
        ContainerStatus.started: Whether it has started, by its startup probe.
        ContainerStatus.state: What it is doing.
        ControllerRevision.data: The state, as a patch of the controller.
        ControllerRevision.revision: The number of the state; the highest is the newest.
        DaemonSetSpec.minReadySeconds: Seconds that a pod must be ready before it counts as available.
        DaemonSetSpec.revisionHistoryLimit: How many older states are kept to go back to.
        DaemonSetSpec.selector: Which pods are the set's. Never changes, and must match the template's labels.
        DaemonSetSpec.template: What new pods are made from; its node selector and the like say which nodes fit.
        DaemonSetSpec.updateStrategy: How pods are replaced when the template changes.
        DaemonSetStatus.collisionCount: How often the name of a new revision was taken.
        DaemonSetStatus.currentNumberScheduled: Nodes that should run the pod and do.
        DaemonSetStatus.desiredNumberScheduled: Nodes that should run the pod.
        DaemonSetStatus.numberAvailable: Nodes that should run the pod and have had it ready for minReadySeconds.
        DaemonSetStatus.numberMisscheduled: Nodes that run the pod and should not.
        DaemonSetStatus.numberReady: Nodes that should run the pod and have it ready.
        DaemonSetStatus.numberUnavailable: Nodes that should run the pod and have none that is available.
        DaemonSetStatus.updatedNumberScheduled: Nodes that run the pod in its newest form.
        DaemonSetUpdateStrategy.rollingUpdate: How many pods may be missing or doubled meanwhile.
        DaemonSetUpdateStrategy.type: RollingUpdate, or OnDelete to leave each pod until somebody deletes it.
        DeleteOptions.dryRun: All: check everything and change nothing.
        DeleteOptions.gracePeriodSeconds: Seconds that the object has to end; 0 for at once.
        DeleteOptions.preconditions: What must hold for the deletion to happen.
        DeleteOptions.propagationPolicy: What becomes of objects that this one owns: Orphan, Background or Foreground.
        DeploymentCondition.lastUpdateTime: When the claim was last renewed.
        DeploymentSpec.minReadySeconds: Seconds that a pod must be ready before it counts as available.
        DeploymentSpec.paused: Whether changes of the template wait.
        DeploymentSpec.progressDeadlineSeconds: Seconds without progress after which a rollout counts as failed.
        DeploymentSpec.replicas: How many pods there should be.
        DeploymentSpec.revisionHistoryLimit: How many older replica sets are kept to go back to.
        DeploymentSpec.selector: Which pods are the deployment's. Never changes, and must match the template's labels.
        DeploymentSpec.strategy: How old pods are replaced by new ones.
        DeploymentSpec.template: What new pods are made from. A change of it begins a rollout.
        DeploymentStatus.availableReplicas: Pods that have been ready for minReadySeconds.
        DeploymentStatus.collisionCount: How often the name of a new replica set was taken.
        DeploymentStatus.readyReplicas: Pods that are ready.
        DeploymentStatus.replicas: Pods that there are, old and new.
        DeploymentStatus.terminatingReplicas: Pods that are being deleted.
        DeploymentStatus.unavailableReplicas: Pods that are still missing or not available.
        DeploymentStatus.updatedReplicas: Pods of the newest template.
        DeploymentStrategy.rollingUpdate: How many pods may be missing or too many meanwhile.
        DeploymentStrategy.type: RollingUpdate, or Recreate to end all old pods first.
        EmptyDirVolumeSource.medium: Memory for a file system in memory, empty for the node's disk.
        EmptyDirVolumeSource.sizeLimit: How much it may hold.
        Endpoint.addresses: The addresses; clients use the first.
        Endpoint.conditions: Whether it is ready, serving, terminating.
        Endpoint.hostname: The host name.
        Endpoint.nodeName: The node.
        Endpoint.targetRef: The pod.
        Endpoint.zone: The zone of the node.
        EndpointSlice.addressType: IPv4, IPv6 or FQDN.
        EndpointSlice.endpoints: The addresses.
        EndpointSlice.ports: The ports of every address.
        EndpointSubset.addresses: Addresses that are ready.
        EndpointSubset.notReadyAddresses: Addresses that are not ready.
        EndpointSubset.ports: The ports of every address.
        Endpoints.subsets: Addresses with their ports.
        EnvFromSource.configMapRef: The ConfigMap.
        EnvFromSource.prefix: Text put before every name.
        EnvFromSource.secretRef: The Secret.
        EnvVar.name: The variable.
        EnvVar.value: The value; $(NAME) stands for other variables.
        EnvVar.valueFrom: Where the value comes from, in place of value.
        EnvVarSource.configMapKeyRef: An entry of a ConfigMap.
        EnvVarSource.fieldRef: A field of the pod.
        EnvVarSource.resourceFieldRef: A request or limit of a container.
        EnvVarSource.secretKeyRef: An entry of a Secret.
        Event.action: What was done or failed.
        Event.count: How often it happened.
        Event.eventTime: When it first happened, in microseconds.
        Event.firstTimestamp: When it first happened.
        Event.involvedObject: The object to which it happened.
        Event.lastTimestamp: When it last happened.
        Event.related: Another object that had a part in it.
        Event.reportingComponent: The program that says so.
        Event.reportingInstance: Which instance of the program.
        Event.series: How often and when last, for events that repeat.
        Event.source: The program that says so, in the older form.
        Event.type: Normal or Warning.
        ExecAction.command: The program and its arguments; no shell.
        HTTPGetAction.host: The host to ask, in place of the pod's address.
        HTTPGetAction.httpHeaders: Headers to send.
        HTTPGetAction.path: The path to ask for.
        HTTPGetAction.port: The port, by number or name.
        HTTPGetAction.scheme: HTTP or HTTPS.
        HostPathVolumeSource.path: The path on the node.
        HostPathVolumeSource.type: What must be there, or is made; empty for no check.
        JobSpec.activeDeadlineSeconds: Seconds after its start at which the job is ended.
        JobSpec.backoffLimit: Failures of pods after which the job has failed.
        JobSpec.backoffLimitPerIndex: Failures of one index after which the index has failed.
        JobSpec.completionMode: NonIndexed, or Indexed to number the pods.
        JobSpec.completions: Pods that must succeed; without a number, one success ends the job.
        JobSpec.managedBy: Who manages the job, where it is not the system.
        JobSpec.manualSelector: Whether the selector and the labels are the client's own.
        JobSpec.maxFailedIndexes: Failed indexes after which the job has failed.
        JobSpec.parallelism: Pods that may run at a time.
        JobSpec.podFailurePolicy: What a failure of a pod means, by its exit code or conditions.
        JobSpec.podReplacementPolicy: Whether a pod that is being deleted is replaced at once or when it has failed.
        JobSpec.selector: Which pods are the job's. Made by the system unless manualSelector says otherwise.
        JobSpec.successPolicy: When an indexed job counts as done before all indexes are.
        JobSpec.suspend: Whether the job's pods are to be gone until further notice.
        JobSpec.template: What new pods are made from.
        JobSpec.ttlSecondsAfterFinished: Seconds after its end at which the job is deleted.
        JobStatus.active: Pods that run or wait to.
        JobStatus.completedIndexes: Indexes that have succeeded, as a list of ranges.
        JobStatus.completionTime: When the job had succeeded.
        JobStatus.failed: Pods that have failed.
        JobStatus.failedIndexes: Indexes that have failed, as a list of ranges.
        JobStatus.ready: Active pods that are ready.
        JobStatus.startTime: When the job was first worked on, or last resumed.
        JobStatus.succeeded: Pods that have succeeded.
        JobStatus.terminating: Pods that are being deleted and have not ended.
        JobStatus.uncountedTerminatedPods: Pods that have ended and are about to be counted.
        LeaseSpec.acquireTime: When the holder got it.
        LeaseSpec.holderIdentity: Who holds it.
        LeaseSpec.leaseDurationSeconds: For how long it is held without renewal.
        LeaseSpec.leaseTransitions: How often the holder changed.
        LeaseSpec.renewTime: When the holder last renewed it.
        Lifecycle.postStart: What is done right after the start.
        Lifecycle.preStop: What is done before the program is asked to end.
        NamespaceSpec.finalizers: Who must agree before the namespace goes.
        NamespaceStatus.phase: Active or Terminating.
        NodeMetrics.usage: Processors in cores over the window, and memory that can't be given up at once.
        NodeSpec.podCIDR: The range from which the node's pods get addresses.
        NodeSpec.podCIDRs: The ranges, one for each family.
        NodeSpec.providerID: The machine's name at its provider.
        NodeSpec.taints: What keeps pods away.
        NodeSpec.unschedulable: Whether new pods go elsewhere.
        NodeStatus.addresses: Addresses and names of the machine.
        NodeStatus.allocatable: What pods may use in all.
        NodeStatus.capacity: What the machine has.
        NodeStatus.daemonEndpoints: The ports of the node's agent.
        NodeStatus.images: Images that are on the node.
        NodeStatus.nodeInfo: Versions and identities of the machine.
        ObjectFieldSelector.fieldPath: The field, such as metadata.name.
        ObjectMeta.creationTimestamp: When the object was made. Set by the system.
        ObjectMeta.deletionGracePeriodSeconds: Seconds that the object has to end. Set by the system.
        ObjectMeta.deletionTimestamp: When the object is to be gone. Set by the system at a deletion.
        ObjectMeta.finalizers: Who must finish before a deleted object goes.
        ObjectMeta.generateName: The beginning of a name that the system completes.
        ObjectMeta.generation: Counts the changes of what is wanted.
        ObjectMeta.managedFields: Who set which fields.
        ObjectMeta.name: The name, unique among objects of the kind in the namespace. Never changes.
        ObjectMeta.namespace: The namespace. Never changes.
        ObjectMeta.ownerReferences: The objects that this one belongs to; it goes when all of them are gone.
        ObjectMeta.resourceVersion: The version of the object; an update with an old one is refused.
        ObjectMeta.selfLink: No longer used.
        OwnerReference.blockOwnerDeletion: Whether the owner waits for this object when it is deleted in the foreground.
        OwnerReference.controller: Whether the owner manages this object.
        PodFailurePolicy.rules: The rules, in order.
        PodFailurePolicyOnExitCodesRequirement.containerName: The container; without a name, any.
        PodFailurePolicyOnExitCodesRequirement.operator: Whether the code must be one of the values, or none of them.
        PodFailurePolicyOnExitCodesRequirement.values: The exit codes.
        PodFailurePolicyRule.action: What is done: count it, ignore it, fail the index or fail the job.
        PodFailurePolicyRule.onExitCodes: The exit codes that it is about.
        PodFailurePolicyRule.onPodConditions: The conditions that it is about; any of them.
        PodMetrics.containers: What each container uses.
        PodSecurityContext.fsGroup: The group that owns the files of volumes.
        PodSecurityContext.runAsGroup: The group of the processes.
        PodSecurityContext.runAsNonRoot: Whether to refuse to run as root.
        PodSecurityContext.runAsUser: The user of the processes.
        PodSecurityContext.seccompProfile: Which system calls are allowed.
        PodSecurityContext.supplementalGroups: More groups of the processes.
        PodSecurityContext.sysctls: Kernel settings of the pod's own network and IPC.
        PodSpec.activeDeadlineSeconds: Seconds after which the pod is stopped, wherever it stands.
        PodSpec.affinity: Which nodes and neighbours the pod wants.
        PodSpec.automountServiceAccountToken: Whether containers get the service account's token.
        PodSpec.containers: The containers. At least one.
        PodSpec.dnsConfig: Name servers and search domains, beside those of dnsPolicy.
        PodSpec.dnsPolicy: Where names are resolved: ClusterFirst, ClusterFirstWithHostNet, Default or None.
        PodSpec.enableServiceLinks: Whether containers get variables that describe the namespace's services.
        PodSpec.ephemeralContainers: Containers that were added to a running pod to look into it.
        PodSpec.hostAliases: Lines for the hosts file.
        PodSpec.hostIPC: Use the node's IPC namespace.
        PodSpec.hostNetwork: Use the node's network instead of an own address.
        PodSpec.hostPID: Use the node's process namespace.
        PodSpec.hostname: The host name, in place of the pod's name.
        PodSpec.imagePullSecrets: Secrets with credentials for image registries.
        PodSpec.initContainers: Containers that run one after the other before the others start.
        PodSpec.nodeName: The node. Set by the scheduler where it is left out.
        PodSpec.nodeSelector: Labels that a node must have to run the pod.
        PodSpec.priority: The number behind priorityClassName.
        PodSpec.priorityClassName: How important the pod is against others.
        PodSpec.readinessGates: Conditions that must hold, beside the containers' readiness, before services send to the pod.
        PodSpec.restartPolicy: Whether ended containers are started again: Always, OnFailure or Never.
        PodSpec.runtimeClassName: Which way of running containers to use.
        PodSpec.schedulerName: The scheduler that places the pod.
        PodSpec.schedulingGates: What the scheduler waits for.
        PodSpec.securityContext: User, groups and privileges of all containers.
        PodSpec.serviceAccount: The older name of serviceAccountName.
        PodSpec.serviceAccountName: The identity of the pod's processes.
        PodSpec.setHostnameAsFQDN: Whether the kernel's host name is the full one.
        PodSpec.shareProcessNamespace: Whether the containers see each other's processes.
        PodSpec.subdomain: The subdomain of the pod's full name.
        PodSpec.terminationGracePeriodSeconds: Seconds between the request to end and the kill.
        PodSpec.tolerations: Taints of nodes that the pod bears.
        PodSpec.topologySpreadConstraints: How pods are spread over zones and nodes.
        PodSpec.volumes: Volumes that containers can mount.
        PodStatus.containerStatuses: What is known of each container.
        PodStatus.hostIP: The node's address.
        PodStatus.hostIPs: The node's addresses.
        PodStatus.initContainerStatuses: What is known of each init container.
        PodStatus.nominatedNodeName: The node on which room is being made for the pod.
        PodStatus.phase: Pending, Running, Succeeded, Failed or Unknown.
        PodStatus.podIP: The pod's address.
        PodStatus.podIPs: The pod's addresses, one for each family.
        PodStatus.qosClass: Guaranteed, Burstable or BestEffort, by requests and limits.
        PodStatus.startTime: When the node took the pod.
        PodTemplateSpec.metadata: Labels and annotations of the new pods.
        PodTemplateSpec.spec: What the new pods are to be.
        Probe.exec: A command that must end with 0.
        Probe.failureThreshold: Failures in a row that count as failed.
        Probe.grpc: A gRPC health check.
        Probe.httpGet: A request that must be answered with a status from 200 to 399.
        Probe.initialDelaySeconds: Seconds to wait after the start.
        Probe.periodSeconds: Seconds from one check to the next.
        Probe.successThreshold: Successes in a row that count as healthy again.
        Probe.tcpSocket: A port that must accept a connection.
        Probe.terminationGracePeriodSeconds: Seconds to end after a failure, in place of the pod's.
        Probe.timeoutSeconds: Seconds after which a check counts as failed.
        ReplicaSetSpec.minReadySeconds: Seconds that a pod must be ready before it counts as available.
        ReplicaSetSpec.replicas: How many pods there should be.
        ReplicaSetSpec.selector: Which pods are the set's. Never changes, and must match the template's labels.
        ReplicaSetSpec.template: What new pods are made from.
        ReplicaSetStatus.availableReplicas: Pods that have been ready for minReadySeconds.
        ReplicaSetStatus.fullyLabeledReplicas: Pods with all labels of the template.
        ReplicaSetStatus.readyReplicas: Pods that are ready.
        ReplicaSetStatus.replicas: Pods that there are.
        ReplicaSetStatus.terminatingReplicas: Pods that are being deleted.
        ReplicationControllerSpec.minReadySeconds: Seconds that a pod must be ready before it counts as available.
        ReplicationControllerSpec.replicas: How many pods there should be.
        ReplicationControllerSpec.selector: Labels of the pods that count; without any, those of the template.
        ReplicationControllerSpec.template: What new pods are made from.
        ReplicationControllerStatus.availableReplicas: Pods that have been ready for minReadySeconds.
        ReplicationControllerStatus.fullyLabeledReplicas: Pods with all labels of the template.
        ReplicationControllerStatus.readyReplicas: Pods that are ready.
        ReplicationControllerStatus.replicas: Pods that there are.
        ResourceRequirements.claims: Claims on devices that the container uses.
        ResourceRequirements.limits: What may be used at most.
        ResourceRequirements.requests: What is asked for; the scheduler counts it.
        RollingUpdateDaemonSet.maxSurge: Nodes that may run the old and the new pod, as a number or in per cent.
        RollingUpdateDaemonSet.maxUnavailable: Nodes that may be without the pod meanwhile, as a number or in per cent.
        RollingUpdateDeployment.maxSurge: Pods that may be too many meanwhile, as a number or in per cent.
        RollingUpdateDeployment.maxUnavailable: Pods that may be missing meanwhile, as a number or in per cent.
        ScaleSpec.replicas: How many pods there should be.
        ScaleStatus.replicas: How many pods there are.
        ScaleStatus.selector: The labels of the pods, as a query.
        Secret.data: Entries in base64.
        Secret.immutable: Whether the entries can no longer be changed.
        Secret.stringData: Entries as text; they are written into data and never read back.
        Secret.type: What the entries mean to programs.
        SecretKeySelector.key: The entry.
        SecretVolumeSource.defaultMode: Permissions of the files.
        SecretVolumeSource.items: The entries to show, and as what files; without any, all.
        SecretVolumeSource.secretName: The Secret.
        SecurityContext.allowPrivilegeEscalation: Whether a process may gain more privileges than its parent has.
        SecurityContext.capabilities: Linux capabilities to add or take away.
        SecurityContext.privileged: Whether the container may do what root on the node may.
        SecurityContext.readOnlyRootFilesystem: Whether the root file system is read-only.
        SecurityContext.runAsGroup: The group of the processes.
        SecurityContext.runAsNonRoot: Whether to refuse to run as root.
        SecurityContext.runAsUser: The user of the processes.
        SecurityContext.seccompProfile: Which system calls are allowed.
        ServiceAccount.automountServiceAccountToken: Whether pods get a token of this identity.
        ServiceAccount.imagePullSecrets: Secrets with credentials for image registries.
        ServiceAccount.secrets: Secrets that pods of this identity may use.
        ServicePort.appProtocol: What is spoken over the port, for information.
        ServicePort.name: A name, needed when there are several ports.
        ServicePort.nodePort: The port of every node that leads to the service.
        ServicePort.port: The port at the service's address.
        ServicePort.protocol: TCP, UDP or SCTP.
        ServicePort.targetPort: The port of the pods, by number or name.
        ServiceSpec.allocateLoadBalancerNodePorts: Whether a load balancer's service gets node ports.
        ServiceSpec.clusterIP: The virtual address. Given by the system; None for none.
        ServiceSpec.clusterIPs: The virtual addresses, one for each family.
        ServiceSpec.externalIPs: More addresses that lead to the service where packets for them reach a node.
        ServiceSpec.externalName: The name to which an ExternalName service refers.
        ServiceSpec.externalTrafficPolicy: Whether connections from outside go to all endpoints or to those of their node: Cluster or Local.
        ServiceSpec.healthCheckNodePort: The port at which a node says whether it has endpoints.
        ServiceSpec.internalTrafficPolicy: Whether connections from inside go to all endpoints or to those of their node: Cluster or Local.
        ServiceSpec.ipFamilies: IPv4, IPv6 or both.
        ServiceSpec.ipFamilyPolicy: Whether one family or both are wanted.
        ServiceSpec.loadBalancerClass: Which load balancer is to serve it.
        ServiceSpec.loadBalancerIP: The address that is asked of the load balancer.
        ServiceSpec.loadBalancerSourceRanges: Client ranges that may reach the load balancer.
        ServiceSpec.ports: The ports that the service offers.
        ServiceSpec.publishNotReadyAddresses: Whether addresses that are not ready count as ready.
        ServiceSpec.selector: Labels of the pods that serve.
        ServiceSpec.sessionAffinity: ClientIP to send a client to the same pod again, None not to.
        ServiceSpec.sessionAffinityConfig: For how long a client keeps its pod.
        ServiceSpec.trafficDistribution: Which endpoints are preferred.
        ServiceSpec.type: ClusterIP, NodePort, LoadBalancer or ExternalName.
        ServiceStatus.loadBalancer: The addresses of the load balancer.
        SuccessPolicy.rules: The rules, in order.
        SuccessPolicyRule.succeededCount: How many of them must have succeeded; without it, all.
        SuccessPolicyRule.succeededIndexes: The indexes that count, as a list of ranges; without it, all.
        Taint.effect: NoSchedule, PreferNoSchedule or NoExecute.
        Taint.key: The taint's name.
        Taint.value: The taint's value.
        Toleration.effect: The effect that is borne; empty for all.
        Toleration.key: The taint's name; empty for all, with operator Exists.
        Toleration.operator: Exists or Equal.
        Toleration.tolerationSeconds: For how long NoExecute is borne.
        Toleration.value: The taint's value.
        UncountedTerminatedPods.failed: Those that have failed.
        UncountedTerminatedPods.succeeded: Those that have succeeded.
        Volume.configMap: Files made of a ConfigMap's entries.
        Volume.downwardAPI: Files made of the pod's own fields.
        Volume.emptyDir: A directory that starts empty and goes with the pod.
        Volume.hostPath: A file or directory of the node.
        Volume.image: The files of an image.
        Volume.name: The name by which containers mount it.
        Volume.persistentVolumeClaim: A claim on a volume that outlives the pod.
        Volume.projected: Files from several sources in one directory.
        Volume.secret: Files made of a Secret's entries.
        VolumeMount.mountPath: The path in the container.
        VolumeMount.mountPropagation: Whether mounts made later are seen across the container's border.
        VolumeMount.name: The volume.
        VolumeMount.readOnly: Whether it is read-only.
        VolumeMount.subPath: The part of the volume to mount.
        VolumeMount.subPathExpr: The same, with $(NAME) for variables of the container.
        .window: The time over which processor use is averaged.
        ?allowWatchBookmarks: Whether a watch may tell how far it has got while nothing happens.
        ?container: The container; needed when the pod has several.
        ?continue: Where the previous part of a list ended.
        ?dryRun: All: check everything and change nothing.
        ?fieldManager: The name of who writes.
        ?fieldSelector: Which objects, by their fields.
        ?fieldValidation: What unknown and repeated fields lead to: Ignore, Warn or Strict.
        ?follow: Whether to go on with what is written from now on.
        ?force: Whether to take over fields that others manage.
        ?gracePeriodSeconds: Seconds that the object has to end; 0 for at once.
        ?labelSelector: Which objects, by their labels.
        ?limit: How many objects at most in one answer.
        ?limitBytes: How many bytes at most.
        ?name: The name of the object.
        ?namespace: The namespace.
        ?orphanDependents: The older form of propagationPolicy.
        ?pretty: Whether the answer is indented.
        ?previous: Whether the log of the container before the last restart is meant.
        ?propagationPolicy: What becomes of objects that this one owns: Orphan, Background or Foreground.
        ?resourceVersion: The version to read at, or to watch from.
        ?resourceVersionMatch: How resourceVersion is meant: Exact or NotOlderThan.
        ?sendInitialEvents: Whether a watch begins with all objects that there are.
        ?sinceSeconds: Only lines of the last so many seconds.
        ?sinceTime: Only lines since that time.
        ?tailLines: Only so many lines of the end.
        ?timeoutSeconds: Seconds after which the server ends the request.
        ?timestamps: Whether each line begins with its time.
        ?watch: Whether to go on with changes as they happen.
        ControllerRevision|Controller: The object whose state it is.
        ControllerRevision|Revision: The number of the state.
        DaemonSet|Available: Nodes that have had the pod ready for long enough.
        DaemonSet|Current: Nodes that should run the pod and do.
        DaemonSet|Desired: Nodes that should run the pod.
        DaemonSet|Node Selector: Labels that a node must have.
        DaemonSet|Ready: Nodes that have the pod ready.
        DaemonSet|Up-to-date: Nodes that run the pod in its newest form.
        Deployment|Available: Pods that have been ready for long enough.
        Deployment|Ready: Pods that are ready, of those that should be.
        Deployment|Up-to-date: Pods of the newest template.
        Job|Completions: Pods that have succeeded, of those that must.
        Job|Duration: How long the job took, or has taken so far.
        Job|Status: What the job is doing, in a word.
        ReplicaSet|Current: How many pods there are.
        ReplicaSet|Desired: How many pods there should be.
        ReplicaSet|Ready: How many of the pods are ready.
        |Age: How long ago the object was made.
        |Containers: The names of the template's containers.
        |Images: The images of the template's containers.
        |Name: The name of the object.
        |Selector: Labels of the pods.
        |Type: The type.
        ConfigMap|Data: How many entries there are.
        EndpointSlice|AddressType: The family of the addresses.
        EndpointSlice|Endpoints: The first addresses, ready or not.
        EndpointSlice|Ports: The ports that all addresses have.
        Endpoints|Endpoints: The first addresses that are ready, with their ports.
        Event|Count: How often it happened.
        Event|First Seen: How long ago it happened first.
        Event|Last Seen: How long ago it happened last.
        Event|Message: What happened, for people.
        Event|Object: What it happened to.
        Event|Reason: What happened, in a word.
        Event|Source: Who reported it.
        Event|Subobject: The part of the object that it is about.
        Lease|Holder: Who holds the lease.
        Namespace|Status: Active, or Terminating while it is being emptied.
        Node|Container-Runtime: What runs containers on the node, with its version.
        Node|External-IP: The address by which the node is reached from outside.
        Node|Internal-IP: The address by which nodes reach each other.
        Node|Kernel-Version: The version of the kernel.
        Node|OS-Image: The operating system.
        Node|Roles: What the node is for, by its labels.
        Node|Status: Whether the node is ready, and takes pods.
        Node|Version: The version of the kubelet.
        Pod|IP: The pod's address.
        Pod|Node: The node that runs the pod.
        Pod|Nominated Node: The node on which room is being made.
        Pod|Readiness Gates: How many of the gates' conditions hold.
        Pod|Ready: Containers that are ready, of all.
        Pod|Restarts: How often containers were restarted, and when last.
        Pod|Status: What the pod is doing, in a word.
        ReplicationController|Current: How many pods there are.
        ReplicationController|Desired: How many pods there should be.
        ReplicationController|Ready: How many of the pods are ready.
        Secret|Data: How many entries there are.
        Service|Cluster-IP: The service's virtual address.
        Service|External-IP: Further addresses by which the service is reached.
        Service|Port(s): The ports, with those of the nodes that lead to them.
        ServiceAccount|Secrets: How many secrets are named.
        """
}
