import KubeAPI
import Transport

/// Makes the lines of watches: `{"type":"ADDED","object":{…}}`.
///
/// Objects go out as the bytes that the store holds. Only the forms that show something else (tables) parse them, once
/// for all watchers that asked for the form.
enum EventEncoder {
    static func frame(
        _ representation: Representation, _ kind: CacheEvent.Kind, _ object: StoredObject, type: ResourceType
    ) -> Frame {
        var line: [UInt8] = []
        line.reserveCapacity(object.bytes.count + 96)
        line.append(contentsOf: #"{"type":""#.utf8)
        line.append(contentsOf: name(kind).utf8)
        line.append(contentsOf: #"","object":"#.utf8)
        switch representation {
        case .object: object.write(into: &line)
        case .partialMetadata: object.writePartialMetadata(into: &line)
        case .table(let include): table(object, type, include).write(into: &line)
        }
        line.append(contentsOf: "}\n".utf8)
        return Frame(line)
    }

    private static func name(_ kind: CacheEvent.Kind) -> String {
        switch kind {
        case .added: "ADDED"
        case .modified: "MODIFIED"
        case .deleted: "DELETED"
        }
    }

    /// With its column definitions each time: a client that has them takes no notice, and the frame serves every
    /// watcher, whichever event is its first.
    private static func table(_ object: StoredObject, _ type: ResourceType, _ include: Representation.Include) -> JSON {
        TablePrinter.table(
            type: type, objects: [object.tree], metadata: ["resourceVersion": .string(String(object.revision))],
            include: TablePrinter.IncludedObject(include))
    }
}

extension TablePrinter.IncludedObject {
    init(_ include: Representation.Include) {
        switch include {
        case .none: self = .none
        case .metadata: self = .metadata
        case .object: self = .object
        }
    }
}
