/// The kinds of metrics.k8s.io/v1beta1: measured when they are asked for, never stored. Field numbers and tags are those
/// of k8s.io/metrics.
enum BuiltinReadings {
    private static let usage = Schema.Field(name: "usage", form: .quantity, shape: .map, number: 4, isRequired: true)

    /// Those that both kinds begin with.
    private static let common: [Schema.Field] = [
        Schema.Field(name: "kind", form: .string), Schema.Field(name: "apiVersion", form: .string),
        Schema.Field(
            name: "metadata", form: .object(BuiltinResources.schema("meta/v1.ObjectMeta")), number: 1),
        Schema.Field(name: "timestamp", form: .time, number: 2, isRequired: true),
        Schema.Field(name: "window", form: .duration, number: 3, isRequired: true),
    ]

    private static let container = Schema(
        typeName: "metrics/v1beta1.ContainerMetrics",
        fields: [
            Schema.Field(name: "name", form: .string, number: 1, isRequired: true),
            Schema.Field(name: "usage", form: .quantity, shape: .map, number: 2, isRequired: true),
        ])

    static let all: [ResourceType] = [
        ResourceType(
            .nodeMetrics, singular: "", verbs: ["get", "list"],
            columns: columns { [$0["usage"]] },
            schema: Schema(typeName: "metrics/v1beta1.NodeMetrics", fields: common + [usage])),
        ResourceType(
            .podMetrics, singular: "", verbs: ["get", "list"],
            columns: columns { $0["containers"].items.map { $0["usage"] } },
            schema: Schema(
                typeName: "metrics/v1beta1.PodMetrics",
                fields: common + [
                    Schema.Field(
                        name: "containers", form: .object(container), shape: .list, number: 4, isRequired: true)
                ])),
    ]

    /// As metrics-server has them, in lower case where they are names of resources.
    private static func columns(_ usages: @escaping @Sendable (JSON) -> [JSON]) -> [TableColumn] {
        func sum(_ name: String) -> TableColumn {
            TableColumn(name, format: "quantity") { object, _ in
                let amounts = usages(object).compactMap { Quantity($0[name]) }
                guard let first = amounts.first else { return "" }
                return .string(amounts.dropFirst().reduce(first, +).description)
            }
        }
        return [
            .name, sum("cpu"), sum("memory"),
            TableColumn("Window", format: "duration") { object, _ in object["window"] },
        ]
    }
}
