import KubeAPI
import Transport

/// What commands on this machine ask the node over its socket, `/node/…`: without an API server, and of nobody else.
struct LocalAPI: Sendable {
    let workers: PodWorkers
    let context: KubeletContext

    /// Answers a request whose path begins with `/node/`; `verb` is what follows.
    func handle(_ verb: String, _ request: HTTPServerRequest, _ response: any HTTPResponder) {
        var query: [String: String] = [:]
        for (name, value) in request.query where !value.isEmpty { query[name] = value }
        do throws(StatusError) {
            switch verb {
            case "find": Self.respond(response, try target(query).json)
            case "inspect":
                let target = try target(query)
                let timings = context.runtime.timings(podUID: target.pod.pod.uid)
                Self.respond(response, NodeInspection(target: target, paths: context.paths, timings: timings).json)
            case "stats":
                let target = try query["target"] == nil ? nil : target(query)
                Task {
                    Self.respond(
                        response, await NodeStats.json(workers.snapshots, target: target, runtime: context.runtime))
                }
            case "events": events(query, response)
            default: throw StatusError(code: 404, reason: "NotFound", message: "404 page not found")
            }
        } catch {
            NodeServer.answer(error, response)
        }
    }

    private func target(_ query: [String: String]) throws(StatusError) -> NodeTarget {
        guard let text = query["target"] else { throw .badRequest("no pod or container is named") }
        return try NodeTarget.find(text, container: query["container"], in: workers.snapshots)
    }

    private static func respond(_ response: any HTTPResponder, _ json: JSON) {
        response.respond(status: 200, headers: [("Content-Type", "application/json")], body: json.serialized())
    }

    /// A list, or one document a line for as long as the client listens.
    private func events(_ query: [String: String], _ response: any HTTPResponder) {
        let isWanted: @Sendable (NodeEvents.Entry) -> Bool = { entry in
            (query["namespace"] == nil || entry.object["namespace"].string == query["namespace"])
                && (query["pod"] == nil || entry.object["kind"] == "Pod" && entry.object["name"].string == query["pod"])
        }
        guard query["follow"] == "true" else {
            let items = context.events.entries.filter(isWanted).map(\.json)
            return Self.respond(
                response, ["kind": "EventList", "apiVersion": "v1", "metadata": .emptyObject, "items": .array(items)])
        }
        let stream = response.stream(status: 200, headers: [("Content-Type", "application/json;stream=watch")])
        let entries = context.events.follow()
        let task = Task {
            for await entry in entries where isWanted(entry) {
                // One whose reader does not keep up is closed by the stream's own bound.
                guard stream.write(Frame(entry.json.serialized() + [UInt8(ascii: "\n")])) else { return }
            }
        }
        stream.onClose { task.cancel() }
    }
}
