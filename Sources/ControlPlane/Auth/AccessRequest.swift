import KubeAPI

/// What somebody wants to do, as authorization sees it.
struct AccessRequest: Sendable {
    let user: UserInfo
    /// The method in lower case for paths outside resources.
    let verb: String
    let group: String
    /// Empty for paths outside resources.
    let resource: String
    let subresource: String
    /// Empty at the cluster scope, and for all namespaces at once.
    let namespace: String
    /// Empty for collections.
    let name: String
    let path: String
    /// What a list or watch is limited to.
    let fields: FieldSelector?
    /// `pods`, `pods/status`
    let fullResource: String

    var isResource: Bool { !resource.isEmpty }

    init(
        user: UserInfo, verb: String, group: String, resource: String, subresource: String = "",
        namespace: String = "", name: String = "", fields: FieldSelector? = nil
    ) {
        self.user = user
        self.verb = verb
        self.group = group
        self.resource = resource
        self.subresource = subresource
        self.namespace = namespace
        self.name = name
        self.fields = fields
        path = ""
        fullResource = subresource.isEmpty ? resource : "\(resource)/\(subresource)"
    }

    /// For a path outside resources.
    init(user: UserInfo, verb: String, path: String) {
        self.user = user
        self.verb = verb
        self.path = path
        group = ""
        resource = ""
        subresource = ""
        namespace = ""
        name = ""
        fields = nil
        fullResource = ""
    }

    /// What a request asks for, with another verb where one request does two things.
    init(_ exchange: Exchange, verb: String? = nil) {
        let info = exchange.info
        let verb = verb ?? info.verb
        guard info.isResource, !info.resource.isEmpty else {
            self.init(user: exchange.request.user, verb: verb, path: info.path)
            return
        }
        // A list or watch of one object by `metadata.name` counts as about that object, as in Kubernetes: thus a node
        // may watch itself.
        var fields: FieldSelector?
        if info.verb == "list" || info.verb == "watch" || info.verb == "deletecollection",
            let text = exchange.request.parameter("fieldSelector")
        {
            fields = try? FieldSelector(parsing: text)  // the handler says what is wrong with it
        }
        self.init(
            user: exchange.request.user, verb: verb, group: info.group, resource: info.resource,
            subresource: info.subresource, namespace: info.namespace,
            name: info.name.isEmpty ? fields?.exactValue("metadata.name") ?? "" : info.name, fields: fields)
    }

    func asked(_ verb: String) -> AccessRequest {
        AccessRequest(
            user: user, verb: verb, group: group, resource: resource, subresource: subresource, namespace: namespace,
            name: name, fields: fields)
    }
}
