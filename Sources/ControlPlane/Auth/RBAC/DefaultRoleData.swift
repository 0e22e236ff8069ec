/// The roles and bindings that every cluster of Kubernetes has, and a few of ours (names with `swiftlet`).
///
/// One role after another: a head `cluster NAME` or `role NAMESPACE NAME`, with labels by which other roles take the
/// rules over (`to-admin`, `to-edit`, `to-view`, from group rbac.authorization.k8s.io) or that name what this role takes
/// (`from-view`); then `for` the subjects of its binding, then its rules: verbs, API groups, resources, and names of
/// objects where it is about those alone. `-` is the core group. Of verbs C create, D delete, X deletecollection, G get,
/// L list, P patch, U update, W watch. `@` stands before paths outside resources, `events` for what whoever tells of
/// events needs.
enum DefaultRoleData {
    static let text: StaticString = """
        cluster cluster-admin
        for Group:system:masters
        * * *
        * @ *
        cluster admin from-admin
        cluster edit from-edit to-admin
        cluster view from-view to-edit
        cluster system:aggregate-to-admin to-admin
        C authorization.k8s.io localsubjectaccessreviews
        CDXGLPUW rbac.authorization.k8s.io rolebindings,roles
        cluster system:aggregate-to-edit to-edit
        GLW - pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy
        impersonate - serviceaccounts
        CDXPU - pods,pods/attach,pods/exec,pods/portforward,pods/proxy
        C - pods/eviction
        CDXPU - configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy
        C - serviceaccounts/token
        CDXPU apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale
        CDXPU autoscaling horizontalpodautoscalers
        CDXPU batch cronjobs,jobs
        CDXPU extensions daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale
        CDXPU policy poddisruptionbudgets
        CDXPU networking.k8s.io ingresses,networkpolicies
        CDXGLPUW coordination.k8s.io leases
        cluster system:aggregate-to-view to-view
        GLW - configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status
        GLW - bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status
        GLW - namespaces
        GLW discovery.k8s.io endpointslices
        GLW apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status
        GLW autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status
        GLW batch cronjobs,cronjobs/status,jobs,jobs/status
        GLW extensions daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale
        GLW policy poddisruptionbudgets,poddisruptionbudgets/status
        GLW networking.k8s.io ingresses,ingresses/status,networkpolicies
        cluster system:auth-delegator
        C authentication.k8s.io tokenreviews
        C authorization.k8s.io subjectaccessreviews
        cluster system:basic-user
        for Group:system:authenticated
        C authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews
        C authentication.k8s.io selfsubjectreviews
        cluster system:certificates.k8s.io:certificatesigningrequests:nodeclient
        C certificates.k8s.io certificatesigningrequests/nodeclient
        cluster system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
        C certificates.k8s.io certificatesigningrequests/selfnodeclient
        cluster system:certificates.k8s.io:kube-apiserver-client-approver
        approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client
        cluster system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
        approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet
        cluster system:certificates.k8s.io:kubelet-serving-approver
        approve certificates.k8s.io signers kubernetes.io/kubelet-serving
        cluster system:certificates.k8s.io:legacy-unknown-approver
        approve certificates.k8s.io signers kubernetes.io/legacy-unknown
        cluster system:discovery
        for Group:system:authenticated
        G @ /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/
        cluster system:heapster
        GLW - events,namespaces,nodes,pods
        GLW extensions deployments
        cluster system:kube-aggregator
        GLW - endpoints,services
        cluster system:kube-controller-manager
        for User:system:kube-controller-manager
        events
        C coordination.k8s.io leases
        GU coordination.k8s.io leases kube-controller-manager
        C - secrets,serviceaccounts
        D - secrets
        G - configmaps,namespaces,secrets,serviceaccounts
        U - secrets,serviceaccounts
        C authentication.k8s.io tokenreviews
        C authorization.k8s.io subjectaccessreviews
        LW * *
        C - serviceaccounts/token
        cluster system:kube-dns
        for ServiceAccount:kube-system:kube-dns
        LW - endpoints,services
        cluster system:coredns
        for ServiceAccount:kube-system:coredns
        LW - endpoints,namespaces,pods,services
        LW discovery.k8s.io endpointslices
        cluster system:kube-scheduler
        for User:system:kube-scheduler
        events
        C coordination.k8s.io leases
        GU coordination.k8s.io leases kube-scheduler
        GLW - nodes
        DGLW - pods
        C - bindings,pods/binding
        PU - pods/status
        GLW - replicationcontrollers,services
        GLW apps,extensions replicasets
        GLW apps statefulsets
        GLW policy poddisruptionbudgets
        GLW - persistentvolumeclaims,persistentvolumes
        C authentication.k8s.io tokenreviews
        C authorization.k8s.io subjectaccessreviews
        GLW storage.k8s.io csinodes
        GLW - namespaces
        GLW storage.k8s.io csidrivers
        GLW storage.k8s.io csistoragecapacities
        cluster system:kubelet-api-admin
        GLW - nodes
        proxy - nodes
        * - nodes/log,nodes/metrics,nodes/proxy,nodes/stats
        cluster system:monitoring
        for Group:system:monitoring
        G @ /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*
        cluster system:node
        for
        C authentication.k8s.io tokenreviews
        C authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews
        GLW - services
        CGLW - nodes
        PU - nodes/status
        PU - nodes
        CPU - events
        GLW - pods
        CD - pods
        PU - pods/status
        C - pods/eviction
        GLW - configmaps,secrets
        G - persistentvolumeclaims,persistentvolumes
        G - endpoints
        CGLW certificates.k8s.io certificatesigningrequests
        CDGPU coordination.k8s.io leases
        G storage.k8s.io volumeattachments
        C - serviceaccounts/token
        GPU - persistentvolumeclaims/status
        GLW storage.k8s.io csidrivers
        CDGPU storage.k8s.io csinodes
        GLW node.k8s.io runtimeclasses
        cluster system:node-bootstrapper
        CGLW certificates.k8s.io certificatesigningrequests
        cluster system:node-problem-detector
        G - nodes
        P - nodes/status
        events
        cluster system:node-proxier
        for User:system:kube-proxy
        LW - endpoints,services
        GLW - nodes
        events
        LW discovery.k8s.io endpointslices
        cluster system:swiftlet:host-ports
        for User:system:kube-proxy
        GLW - pods
        cluster system:persistent-volume-provisioner
        CDGLW - persistentvolumes
        GLUW - persistentvolumeclaims
        GLW storage.k8s.io storageclasses
        W - events
        events
        cluster system:public-info-viewer
        for Group:system:authenticated Group:system:unauthenticated
        G @ /healthz,/livez,/readyz,/version,/version/
        cluster system:service-account-issuer-discovery
        for Group:system:serviceaccounts
        G @ /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/
        cluster system:volume-scheduler
        for User:system:kube-scheduler
        GLPUW - persistentvolumes
        GLW storage.k8s.io storageclasses
        GLPUW - persistentvolumeclaims
        role kube-system extension-apiserver-authentication-reader
        for User:system:kube-controller-manager User:system:kube-scheduler
        GLW - configmaps extension-apiserver-authentication
        role kube-system system::leader-locking-kube-controller-manager
        for User:system:kube-controller-manager ServiceAccount:kube-system:kube-controller-manager
        CGLUW coordination.k8s.io leases
        role kube-system system::leader-locking-kube-scheduler
        for User:system:kube-scheduler ServiceAccount:kube-system:kube-scheduler
        CGLUW coordination.k8s.io leases
        role kube-system system:controller:bootstrap-signer
        for ServiceAccount:kube-system:bootstrap-signer
        GLW - secrets
        role kube-system system:controller:cloud-provider
        for ServiceAccount:kube-system:cloud-provider
        CGLW - configmaps
        role kube-system system:controller:token-cleaner
        for ServiceAccount:kube-system:token-cleaner
        DGLW - secrets
        events
        role kube-public system:controller:bootstrap-signer
        for ServiceAccount:kube-system:bootstrap-signer
        GLW - configmaps
        U - configmaps cluster-info
        events
        """
}
