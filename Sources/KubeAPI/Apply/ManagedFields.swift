/// Who set which fields of an object: `metadata.managedFields`.
public struct ManagedFields: Sendable, Equatable {
    /// Who writes an object, and how.
    public struct Author: Sendable, Equatable {
        /// `kubectl`: what the client calls itself.
        public var manager: String
        /// Whether the fields are applied (`Apply`), else they were created, updated or patched (`Update`).
        public var isApplier: Bool
        public var apiVersion: String
        /// Through which the object was written; empty for the object itself.
        public var subresource: String

        public init(manager: String, isApplier: Bool = false, apiVersion: String, subresource: String = "") {
            self.manager = manager
            self.isApplier = isApplier
            self.apiVersion = apiVersion
            self.subresource = subresource
        }

        /// Whether two entries are one: an applier stays the same in every version.
        func isSame(as other: Author) -> Bool {
            manager == other.manager && isApplier == other.isApplier && subresource == other.subresource
                && (isApplier || apiVersion == other.apiVersion)
        }
    }

    public struct Entry: Sendable, Equatable {
        public var author: Author
        /// RFC 3339; empty where it is not known.
        public var time: String
        public var fields: FieldSet

        public init(author: Author, time: String, fields: FieldSet) {
            self.author = author
            self.time = time
            self.fields = fields
        }
    }

    public private(set) var entries: [Entry]

    /// As many that update are told apart; older ones become one entry, as in Kubernetes.
    static let maxUpdaters = 10
    private static let ancientChanges = "ancient-changes"

    public init(_ entries: [Entry] = []) { self.entries = entries }

    /// From `metadata.managedFields`. Nil where an entry is not what it must be.
    public init?(_ json: JSON) {
        var entries: [Entry] = []
        for item in json.items {
            let operation = item["operation"].stringValue
            guard operation == "Apply" || operation == "Update", item["fieldsType"].string == "FieldsV1",
                let fields = item["fieldsV1"].object
            else { return nil }
            entries.append(
                Entry(
                    author: Author(
                        manager: item["manager"].stringValue, isApplier: operation == "Apply",
                        apiVersion: item["apiVersion"].stringValue, subresource: item["subresource"].stringValue),
                    time: item["time"].stringValue, fields: FieldSet(root: fields)))
        }
        self.entries = entries
    }

    public var isEmpty: Bool { entries.isEmpty }

    /// `metadata.managedFields`; null where there is none.
    public var json: JSON { entries.isEmpty ? .null : .array(entries.map(\.json)) }

    /// Whether both say the same but for times.
    public func isSame(as other: ManagedFields) -> Bool {
        entries.count == other.entries.count
            && zip(entries, other.entries).allSatisfy { $0.author == $1.author && $0.fields == $1.fields }
    }

    func position(of author: Author) -> Int? { entries.firstIndex { $0.author.isSame(as: author) } }

    subscript(_ author: Author) -> Entry? { position(of: author).map { entries[$0] } }

    mutating func set(_ fields: FieldSet, of author: Author, time: String) {
        let entry = Entry(author: author, time: time, fields: fields)
        if let position = position(of: author) { entries[position] = entry } else { entries.append(entry) }
    }

    /// Changes the sets; those that become empty go.
    mutating func changeSets(_ change: (inout Entry) -> Void) {
        for position in entries.indices { change(&entries[position]) }
        entries.removeAll { $0.fields.isEmpty }
    }

    /// Brings the entries into Kubernetes' order: what is applied first, then by time.
    mutating func arrange() {
        entries.sort { left, right in
            if left.author.isApplier != right.author.isApplier { return left.author.isApplier }
            if left.time != right.time { return left.time < right.time }
            if left.author.manager != right.author.manager { return left.author.manager < right.author.manager }
            if left.author.apiVersion != right.author.apiVersion {
                return left.author.apiVersion < right.author.apiVersion
            }
            return left.author.subresource < right.author.subresource
        }
    }

    /// Merges the oldest entries of those that update until there are not too many.
    mutating func mergeAncient() {
        var updaters = entries.indices.filter { !entries[$0].author.isApplier }
        guard updaters.count > Self.maxUpdaters else { return }
        updaters.sort {
            (entries[$0].time, entries[$0].author.manager) < (entries[$1].time, entries[$1].author.manager)
        }
        var excess = updaters.count - Self.maxUpdaters
        var firstOfVersion: [String: Int] = [:]
        var merged: Set<Int> = []
        for position in updaters where excess > 0 {
            let entry = entries[position]
            guard let first = firstOfVersion[entry.author.apiVersion] else {
                firstOfVersion[entry.author.apiVersion] = position
                continue
            }
            entries[first].author = Author(manager: Self.ancientChanges, apiVersion: entry.author.apiVersion)
            entries[first].fields = entries[first].fields.union(entry.fields)
            entries[first].time = entry.time
            merged.insert(position)
            excess -= 1
        }
        entries = entries.indices.filter { !merged.contains($0) }.map { entries[$0] }
    }
}

extension ManagedFields.Entry {
    var json: JSON {
        [
            "manager": author.manager.isEmpty ? .null : .string(author.manager),
            "operation": author.isApplier ? "Apply" : "Update",
            "apiVersion": .string(author.apiVersion), "time": time.isEmpty ? .null : .string(time),
            "fieldsType": "FieldsV1", "fieldsV1": fields.json,
            "subresource": author.subresource.isEmpty ? .null : .string(author.subresource),
        ]
    }
}

extension JSON {
    /// Takes `metadata.managedFields` out of an object, so that the rest compares and is written without it.
    public mutating func takeManagedFields() -> JSON {
        let managed = self["metadata"]["managedFields"]
        if !managed.isNull { self["metadata"]["managedFields"] = .null }
        return managed
    }

    /// `[{}]`, by which a client asks for nobody to own anything. An empty list does not count: clients that do not know
    /// the field must not clear it.
    public var resetsManagedFields: Bool {
        guard let entries = array, entries.count == 1 else { return false }
        return entries[0].object?.isEmpty ?? false
    }
}
