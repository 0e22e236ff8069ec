/// The roles of controllers, `controller NAME`: each is bound to the service account of that name in kube-system. The
/// form is that of `DefaultRoleData`.
enum ControllerRoleData {
    static let text: StaticString = """
        controller attachdetach-controller
        LW - persistentvolumeclaims,persistentvolumes
        GLW - nodes
        PU - nodes/status
        LW - pods
        events
        CDGLW storage.k8s.io volumeattachments
        GLW storage.k8s.io csidrivers
        GLW storage.k8s.io csinodes
        controller certificate-controller
        DGLW certificates.k8s.io certificatesigningrequests
        U certificates.k8s.io certificatesigningrequests/approval,certificatesigningrequests/status
        approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet
        sign certificates.k8s.io signers kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown
        C authorization.k8s.io subjectaccessreviews
        events
        controller clusterrole-aggregation-controller
        escalate,GLPUW rbac.authorization.k8s.io clusterroles
        controller cronjob-controller
        GLUW batch cronjobs
        CDGLPUW batch jobs
        U batch cronjobs/status
        U batch cronjobs/finalizers
        DLW - pods
        events
        controller daemon-set-controller
        GLW apps,extensions daemonsets
        U apps,extensions daemonsets/status
        U apps,extensions daemonsets/finalizers
        LW - nodes
        CDLPW - pods
        C - pods/binding
        CDGLPUW apps controllerrevisions
        events
        controller deployment-controller
        GLUW apps,extensions deployments
        U apps,extensions deployments/status
        U apps,extensions deployments/finalizers
        CDGLPUW apps,extensions replicasets
        GLUW - pods
        events
        controller disruption-controller
        GLW apps,extensions deployments
        GLW apps,extensions replicasets
        GLW - replicationcontrollers
        GLW policy poddisruptionbudgets
        GLW apps statefulsets
        U policy poddisruptionbudgets/status
        PU - pods/status
        G * */scale
        events
        controller endpoint-controller
        GLW - pods,services
        CDGLUW - endpoints
        C - endpoints/restricted
        events
        controller endpointslice-controller
        GLW - nodes,pods,services
        U - services/finalizers
        CDGLUW discovery.k8s.io endpointslices
        events
        controller endpointslicemirroring-controller
        GLW - endpoints,services
        U - services/finalizers
        U - endpoints/finalizers
        CDGLUW discovery.k8s.io endpointslices
        events
        controller ephemeral-volume-controller
        GLW - pods
        U - pods/finalizers
        CGLW - persistentvolumeclaims
        events
        controller swiftlet-event-ttl-controller
        DLW - events
        controller expand-controller
        GLPUW - persistentvolumes
        PU - persistentvolumeclaims/status
        GLW - persistentvolumeclaims
        events
        controller generic-garbage-collector
        DGLPUW * *
        events
        controller horizontal-pod-autoscaler
        GLW autoscaling horizontalpodautoscalers
        U autoscaling horizontalpodautoscalers/status
        GU * */scale
        LW - pods
        LW metrics.k8s.io pods
        GLW custom.metrics.k8s.io *
        GLW external.metrics.k8s.io *
        events
        controller job-controller
        GLPUW batch jobs
        U batch jobs/status
        U batch jobs/finalizers
        CDLPW - pods
        events
        controller legacy-service-account-token-cleaner
        G - configmaps kube-apiserver-legacy-service-account-token-tracking
        DP - secrets
        controller namespace-controller
        DGLW - namespaces
        U - namespaces/finalize,namespaces/status
        DXGLW * *
        controller node-controller
        DGLPUW - nodes
        PU - nodes/status
        PU - pods/status
        DGLW - pods
        events
        controller persistent-volume-binder
        CDGLUW - persistentvolumes
        U - persistentvolumes/status
        GLUW - persistentvolumeclaims
        U - persistentvolumeclaims/status
        CDGLW - pods
        GLW storage.k8s.io storageclasses
        LW - nodes
        events
        W - events
        controller pod-garbage-collector
        DLW - pods
        GLW - nodes
        P - pods/status
        controller pv-protection-controller
        GLUW - persistentvolumes
        events
        controller pvc-protection-controller
        GLUW - persistentvolumeclaims
        GLW - pods
        events
        controller replicaset-controller
        GLUW apps,extensions replicasets
        U apps,extensions replicasets/status
        U apps,extensions replicasets/finalizers
        CDLPW - pods
        events
        controller replication-controller
        GLUW - replicationcontrollers
        U - replicationcontrollers/status
        U - replicationcontrollers/finalizers
        CDLPW - pods
        events
        controller resourcequota-controller
        LW * *
        U - resourcequotas/status
        events
        controller root-ca-cert-publisher
        CU - configmaps
        events
        controller route-controller
        LW - nodes
        P - nodes/status
        events
        controller service-account-controller
        C - serviceaccounts
        events
        controller service-controller
        GLW - services
        PU - services/status
        LW - nodes
        events
        controller statefulset-controller
        LW - pods
        GLW apps statefulsets
        U apps statefulsets/status
        U apps statefulsets/finalizers
        CDGPU - pods
        CDGLPUW apps controllerrevisions
        CGLW - persistentvolumeclaims
        DU - persistentvolumeclaims
        U - pods/finalizers
        events
        controller ttl-after-finished-controller
        DGLW batch jobs
        events
        controller ttl-controller
        LPUW - nodes
        events
        """
}
