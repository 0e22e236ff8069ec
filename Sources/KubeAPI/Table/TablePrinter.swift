/// Makes `meta.k8s.io/v1` Tables, which kubectl prints as they are.
public enum TablePrinter {
    /// What a row carries beside its cells (`includeObject`).
    public enum IncludedObject: String, Sendable {
        case none = "None"
        case metadata = "Metadata"
        case object = "Object"
    }

    public static func columnDefinitions(_ type: ResourceType) -> JSON {
        .array(
            type.columns.map { column in
                [
                    "name": .string(column.name), "type": .string(column.type), "format": .string(column.format),
                    "description": .string(Descriptions.column(type.path.kind, column.name)),
                    "priority": .int(Int64(column.priority)),
                ]
            })
    }

    /// One row. `object` needs kind and apiVersion only for `includeObject=Object`.
    public static func row(_ type: ResourceType, _ object: JSON, include: IncludedObject, now: Timestamp = .now())
        -> JSON
    {
        var row: JSON = ["cells": .array(type.columns.map { $0.cell(object, now) })]
        if type.path == .pods, let condition = podCondition(object) { row["conditions"] = [condition] }
        switch include {
        case .none: row["object"] = .null
        case .metadata: row["object"] = partialMetadata(object)
        case .object: row["object"] = object
        }
        return row
    }

    /// Pods that have ended are marked, so that clients may leave them out.
    private static func podCondition(_ pod: JSON) -> JSON? {
        let phase = pod["status"]["phase"].stringValue
        guard phase == "Succeeded" || phase == "Failed" else { return nil }
        return [
            "type": "Completed", "status": "True", "reason": .string(phase),
            "message": phase == "Failed" ? "The pod failed." : "The pod has completed successfully.",
        ]
    }

    /// A Table of objects; `metadata` is that of the list (resourceVersion, continue, remainingItemCount). Without
    /// `withColumns` the definitions are left out, as in the events of a watch after the first.
    public static func table(
        type: ResourceType, objects: [JSON], metadata: JSON, include: IncludedObject = .metadata,
        withColumns: Bool = true
    ) -> JSON {
        let now = Timestamp.now()
        var table: JSON = ["kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata]
        table["columnDefinitions"] = withColumns ? columnDefinitions(type) : .array([])
        table["rows"] = .array(objects.map { row(type, $0, include: include, now: now) })
        return table
    }

    /// `PartialObjectMetadata` of an object.
    public static func partialMetadata(_ object: JSON) -> JSON {
        ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]]
    }
}
