import Glibc

/// The member names of API objects that are too long to be stored inside a `String`, as immortal literals, so that the
/// parser neither allocates nor counts references for them (a quarter of a pod's names).
///
/// Leaving a name out costs time only.
struct InternedNames: Sendable {
    static let shared = InternedNames()

    private struct Slot {
        var hash: UInt64 = 0
        var name = ""
        var bytes: UnsafePointer<UInt8>?
        var count = 0
    }
    private static let slotCount = 1024

    /// Never freed and never written again after `init`.
    private nonisolated(unsafe) let slots: UnsafeMutablePointer<Slot>

    private init() {
        slots = .allocate(capacity: Self.slotCount)
        slots.initialize(repeating: Slot(), count: Self.slotCount)
        for name in Self.names {
            // The bytes of a literal lie in the binary, so their address stays good.
            _ = name.utf8.withContiguousStorageIfAvailable { bytes in
                guard bytes.count > 15, let base = bytes.baseAddress else { return }
                let hash = Self.hash(base, bytes.count)
                var position = Int(truncatingIfNeeded: hash >> 32) & (Self.slotCount - 1)
                while slots[position].bytes != nil { position = (position + 1) & (Self.slotCount - 1) }
                slots[position] = Slot(hash: hash, name: name, bytes: base, count: bytes.count)
            }
        }
    }

    @inline(__always)
    func find(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64) -> String? {
        var position = Int(truncatingIfNeeded: hash >> 32) & (Self.slotCount - 1)
        // Ends because the table is never full.
        while let candidate = slots[position].bytes {
            if slots[position].hash == hash, slots[position].count == count, memcmp(candidate, bytes, count) == 0 {
                return slots[position].name
            }
            position = (position &+ 1) & (Self.slotCount - 1)
        }
        return nil
    }

    static let hashOfEmpty: UInt64 = 0

    /// Of the length and at most 16 bytes from both ends: cheap, and good enough to tell names of one object apart.
    @inline(__always)
    static func hash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        let raw = UnsafeRawPointer(bytes)
        var first: UInt64 = 0
        var last: UInt64 = 0
        if count >= 8 {
            first = raw.loadUnaligned(as: UInt64.self)
            last = raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        } else if count >= 4 {
            first = UInt64(raw.loadUnaligned(as: UInt32.self))
            last = UInt64(raw.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
        } else if count > 0 {
            first = UInt64(bytes[0]) | UInt64(bytes[count / 2]) << 8 | UInt64(bytes[count &- 1]) << 16
        } else {
            return hashOfEmpty
        }
        var hash = (first &+ UInt64(truncatingIfNeeded: count)) &* 0x9e37_79b9_7f4a_7c15
        hash ^= hash >> 29
        hash = (hash ^ last) &* 0xbf58_476d_1ce4_e5b9
        return hash ^ hash >> 32
    }

    private static let names: [String] = [
        "activeDeadlineSeconds", "addressType", "allocatedResources", "allowPrivilegeEscalation",
        "allocatedResourcesStatus", "appArmorProfile", "automountServiceAccountToken", "availableReplicas",
        "blockOwnerDeletion", "clusterIPs", "configMapKeyRef", "configMapRef", "containerID", "containerRuntimeVersion",
        "containerStatuses", "controllerRevisionHash", "creationTimestamp", "currentNumberScheduled",
        "daemonEndpoints", "defaultMode", "deletionGracePeriodSeconds", "deletionTimestamp", "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp", "deprecatedSource", "desiredNumberScheduled", "dnsPolicy", "emptyDir",
        "enableServiceLinks", "ephemeralContainers", "ephemeralContainerStatuses", "externalTrafficPolicy",
        "failureThreshold", "fieldsType", "fullyLabeledReplicas", "gracePeriodSeconds", "healthCheckNodePort",
        "hostnameOverride", "imagePullPolicy", "imagePullSecrets", "initContainerStatuses", "initContainers",
        "initialDelaySeconds", "internalTrafficPolicy", "ipFamilyPolicy", "kernelVersion", "kubeProxyVersion",
        "kubeletEndpoint", "kubeletVersion", "labelSelector", "lastHeartbeatTime", "lastProbeTime",
        "lastTransitionTime",
        "lastTimestamp", "leaseDurationSeconds", "leaseTransitions", "livenessProbe", "loadBalancer",
        "loadBalancerIP", "loadBalancerSourceRanges", "localObjectReference", "managedFields", "matchExpressions",
        "matchLabelKeys", "maxSurge", "maxUnavailable", "minReadySeconds", "mountPropagation", "nodeInfo",
        "nodeAffinity", "nodeSelectorTerms", "nominatedNodeName", "numberAvailable", "numberMisscheduled",
        "numberReady", "numberUnavailable", "observedGeneration", "operatingSystem", "ownerReferences",
        "periodSeconds", "persistentVolumeClaim", "podAffinityTerm", "podManagementPolicy", "podAntiAffinity",
        "preemptionPolicy", "preferredDuringSchedulingIgnoredDuringExecution", "priorityClassName",
        "progressDeadlineSeconds", "publishNotReadyAddresses", "readOnlyRootFilesystem", "readinessGates",
        "readinessProbe", "readyReplicas", "recursiveReadOnly", "reportingComponent", "reportingController",
        "reportingInstance", "requiredDuringSchedulingIgnoredDuringExecution", "resourceVersion", "restartPolicy",
        "revisionHistoryLimit", "rollingUpdate", "runAsNonRoot", "runtimeClassName", "schedulerName",
        "schedulingGates", "seLinuxOptions", "seccompProfile", "secretKeyRef", "securityContext", "serviceAccount",
        "serviceAccountName", "serviceAccountToken", "sessionAffinity", "sessionAffinityConfig",
        "setHostnameAsFQDN", "shareProcessNamespace", "startupProbe", "stdinOnce", "stopSignal", "successThreshold",
        "supplementalGroups", "supplementalGroupsPolicy", "targetPort", "templateGeneration",
        "terminationGracePeriodSeconds", "terminationMessagePath", "terminationMessagePolicy", "timeoutSeconds",
        "tolerationSeconds", "topologySpreadConstraints", "topologyKey", "trafficDistribution", "unavailableReplicas",
        "unschedulable", "updatedNumberScheduled", "updatedReplicas", "volumeClaimTemplates", "volumeDevices",
        "volumeMounts", "volumeName", "waiting", "whenUnsatisfiable", "windowsOptions", "procMount",
        "fieldPath", "resourceFieldRef", "containerName", "hostAliases", "preStop", "postStart", "terminatingReplicas",
        "resourceClaims", "downwardAPI", "defaultRequest", "allocateLoadBalancerNodePorts", "loadBalancerClass",
        "fsGroupChangePolicy", "capacity", "allocatable", "volumesAttached", "volumesInUse", "renewTime",
        "holderIdentity", "acquireTime", "firstTimestamp", "involvedObject", "metadata", "immutable", "stringData",
        "currentRevision", "currentReplicas", "updateRevision", "updateStrategy", "collisionCount", "machineID",
        "systemUUID", "bootID", "osImage", "architecture", "runtimeHandlers", "recursiveReadOnlyMounts",
        "userNamespaces", "supplementalGroupsPolicy", "concurrencyPolicy", "startingDeadlineSeconds",
        "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "ttlSecondsAfterFinished", "backoffLimit",
        "completionMode", "podFailurePolicy", "lastScheduleTime", "lastSuccessfulTime", "completionTime",
        "observedResourceVersion", "remainingItemCount", "f:metadata", "f:creationTimestamp",
        "f:terminationGracePeriodSeconds", "f:terminationMessagePath", "f:terminationMessagePolicy",
        "f:imagePullPolicy", "f:containerStatuses", "f:initContainerStatuses", "f:securityContext",
        "f:enableServiceLinks", "f:schedulerName", "f:restartPolicy", "f:lastTransitionTime", "f:lastProbeTime",
        "f:ownerReferences", "f:sessionAffinity", "f:internalTrafficPolicy", "f:readinessProbe", "f:livenessProbe",
        "f:initialDelaySeconds", "f:periodSeconds", "f:successThreshold", "f:failureThreshold", "f:timeoutSeconds",
        "f:observedGeneration", "f:serviceAccountName", "f:serviceAccount", "f:volumeMounts", "k:{\"type\":\"Ready\"}",
        "k:{\"type\":\"Initialized\"}", "k:{\"type\":\"ContainersReady\"}", "k:{\"type\":\"PodScheduled\"}",
        "k:{\"type\":\"PodReadyToStartContainers\"}", "kubernetes.io/hostname", "kubernetes.io/arch",
        "kubernetes.io/os",
        "kubernetes.io/metadata.name", "kubernetes.io/service-name", "node-role.kubernetes.io/control-plane",
        "endpointslice.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance",
        "app.kubernetes.io/component", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of",
        "app.kubernetes.io/version", "pod-template-hash", "controller-revision-hash",
        "kubectl.kubernetes.io/last-applied-configuration", "ephemeral-storage",
    ]
}
