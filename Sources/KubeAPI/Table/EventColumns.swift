/// The columns of events.
enum EventColumns {
    static let all: [TableColumn] = [
        TableColumn("Last Seen") { event, now in
            if event["series"].isObject { return .string(TableColumn.since(event["series"]["lastObservedTime"], now)) }
            return .string(
                event["lastTimestamp"].isUnset ? firstSeen(event, now) : TableColumn.since(event["lastTimestamp"], now))
        },
        .text("Type") { $0["type"].stringValue },
        .text("Reason") { $0["reason"].stringValue },
        .text("Object") { event in
            let kind = event["involvedObject"]["kind"].stringValue.lowercased()
            return event["involvedObject"]["name"].string.nonEmpty.map { "\(kind)/\($0)" } ?? kind
        },
        .text("Subobject", priority: 1) { $0["involvedObject"]["fieldPath"].stringValue },
        .text("Source", priority: 1) { event in
            let component =
                event["source"]["component"].string.nonEmpty ?? event["reportingComponent"].stringValue
            let instance = event["source"]["host"].string.nonEmpty ?? event["reportingInstance"].string.nonEmpty
            return instance.map { "\(component), \($0)" } ?? component
        },
        .text("Message") { $0["message"].stringValue.trimmingGoSpace },
        TableColumn("First Seen", priority: 1) { event, now in .string(firstSeen(event, now)) },
        TableColumn("Count", priority: 1) { event, _ in
            if event["series"].isObject { return .int(Int64(event["series"]["count"].int ?? 0)) }
            let count = event["count"].int ?? 0
            // An event of the newer form that came once has no count.
            return .int(count == 0 ? 1 : Int64(count))
        },
        TableColumn("Name", format: "name", priority: 1) { event, _ in .string(event.name) },
    ]

    private static func firstSeen(_ event: JSON, _ now: Timestamp) -> String {
        TableColumn.since(event["firstTimestamp"].isUnset ? event["eventTime"] : event["firstTimestamp"], now)
    }
}
