/// As `DescriptionData`, of the kinds that are about access.
enum AccessDescriptionData {
    static let text: StaticString = """
        AggregationRule: Which cluster roles a role is made of.
        AggregationRule.clusterRoleSelectors: Labels of the cluster roles whose rules are taken over.
        BoundObjectReference: The object with which a token ends.
        ClusterRole: Rights in all namespaces and outside them.
        ClusterRole.aggregationRule: Where the rules come from, in place of being written here.
        ClusterRole.rules: What the role allows.
        ClusterRoleBinding: Gives the rights of a cluster role to users, everywhere.
        ClusterRoleBinding.roleRef: The role whose rights are given. It can't be changed.
        ClusterRoleBinding.subjects: Who gets the rights.
        FieldSelectorAttributes: The field selector of a request that is asked about.
        LabelSelectorAttributes: The label selector of a request that is asked about.
        LocalSubjectAccessReview: Asks whether somebody may do something in one namespace.
        NonResourceAttributes: A request for a path outside resources.
        NonResourceRule: Paths that a user may use.
        PolicyRule: Some verbs on some resources or paths.
        PolicyRule.apiGroups: The groups of the resources; "" is the core group, * all.
        PolicyRule.nonResourceURLs: Paths outside resources, in cluster roles; a * at the end stands for anything.
        PolicyRule.resourceNames: The names of the objects that the rule is about; all where there is none.
        PolicyRule.resources: The resources, with subresources as pods/log; * stands for all.
        PolicyRule.verbs: What may be done; * stands for everything.
        ResourceAttributes: A request for a resource.
        ResourceAttributes.group: The API group; * stands for all.
        ResourceAttributes.name: The name of one object; empty for all.
        ResourceAttributes.namespace: The namespace; empty for all, and outside namespaces.
        ResourceAttributes.resource: The resource, in the plural.
        ResourceAttributes.subresource: The part below the object: status, log.
        ResourceAttributes.verb: What is to be done.
        ResourceRule: Resources that a user may use.
        Role: Rights in one namespace.
        Role.rules: What the role allows.
        RoleBinding: Gives the rights of a role to users, in one namespace.
        RoleBinding.roleRef: The role, or cluster role, whose rights are given. It can't be changed.
        RoleBinding.subjects: Who gets the rights.
        RoleRef: Names a role.
        SelfSubjectAccessReview: Asks whether the asker may do something.
        SelfSubjectAccessReviewSpec: The request that is asked about.
        SelfSubjectReview: Asks who the asker is.
        SelfSubjectReviewStatus: Who the asker is.
        SelfSubjectRulesReview: Asks what the asker may do in a namespace.
        SelfSubjectRulesReviewSpec: The namespace that is asked about.
        Subject: A user, a group or a service account.
        SubjectAccessReview: Asks whether somebody may do something.
        SubjectAccessReviewSpec: Who, and the request that is asked about.
        SubjectAccessReviewStatus: The answer.
        SubjectAccessReviewStatus.allowed: Whether the request would be let through.
        SubjectAccessReviewStatus.denied: Whether it is refused outright, whatever others say.
        SubjectRulesReviewStatus: What the user may do.
        SubjectRulesReviewStatus.incomplete: Whether there may be more than is listed.
        TokenRequest: Asks for a token of a service account.
        TokenRequestSpec: For whom the token is, and how long.
        TokenRequestSpec.audiences: Who is to accept the token; the API server where nobody is named.
        TokenRequestSpec.boundObjectRef: The object with which the token ends.
        TokenRequestSpec.expirationSeconds: How long the token is wanted to live.
        TokenRequestStatus: The token.
        TokenReview: Asks whose a token is.
        TokenReviewSpec: The token.
        TokenReviewStatus: Whose the token is, if anybody's.
        UserInfo: Who somebody is.
        ClusterRole|Created At: When the role was made.
        ClusterRoleBinding|Groups: The groups that get the rights.
        ClusterRoleBinding|Role: The role whose rights are given.
        ClusterRoleBinding|ServiceAccounts: The service accounts that get the rights.
        ClusterRoleBinding|Users: The users that get the rights.
        Role|Created At: When the role was made.
        RoleBinding|Groups: The groups that get the rights.
        RoleBinding|Role: The role whose rights are given.
        RoleBinding|ServiceAccounts: The service accounts that get the rights.
        RoleBinding|Users: The users that get the rights.
        """
}
