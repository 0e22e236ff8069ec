import KubeAPI

/// What whoever verifies tokens of service accounts by himself needs to know: `/.well-known/openid-configuration` and
/// `/openid/v1/jwks`.
enum IssuerHandler {
    /// They change with the key alone.
    private static let headers = [("Cache-Control", "public, max-age=3600")]

    static func configuration(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        guard let tokens = context.tokens else { throw .unknownPath }
        try PathHandler.check(exchange)
        exchange.send(tokens.authority.configuration(server: context.serverAddress).serialized(), headers: headers)
    }

    static func keys(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        guard let tokens = context.tokens else { throw .unknownPath }
        try PathHandler.check(exchange)
        exchange.send(
            tokens.authority.keys.serialized(), contentType: "application/jwk-set+json", headers: headers)
    }
}
