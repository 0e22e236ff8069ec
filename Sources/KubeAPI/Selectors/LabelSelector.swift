/// Requirements on labels, all of which must hold. Without any it matches everything.
public struct LabelSelector: Sendable, Hashable, CustomStringConvertible {
    /// One requirement; also the form of a node selector's expressions.
    public struct Requirement: Sendable, Hashable, CustomStringConvertible {
        public enum Operator: String, Sendable {
            case equals = "="
            case doubleEquals = "=="
            case notEquals = "!="
            case `in`
            case notIn = "notin"
            case exists
            case doesNotExist = "!"
            case greaterThan = "gt"
            case lessThan = "lt"
        }

        public let key: String
        public let op: Operator
        /// Sorted, each once.
        public let values: [String]

        public init(_ key: String, _ op: Operator, _ values: [String] = []) {
            self.key = key
            self.op = op
            self.values = values.count > 1 ? Set(values).sorted() : values
        }

        /// From an element of `matchExpressions`; nil for an unknown operator.
        public init?(_ json: JSON) {
            let op: Operator
            switch json["operator"].stringValue {
            case "In": op = .in
            case "NotIn": op = .notIn
            case "Exists": op = .exists
            case "DoesNotExist": op = .doesNotExist
            case "Gt": op = .greaterThan
            case "Lt": op = .lessThan
            default: return nil
            }
            self.init(json["key"].stringValue, op, json["values"].items.compactMap(\.string))
        }

        /// Whether the requirement holds for the label's value, nil where there is no such label.
        public func matches(_ value: String?) -> Bool {
            switch op {
            case .equals, .doubleEquals, .in: return value.map(values.contains) ?? false
            case .notEquals, .notIn: return value.map { !values.contains($0) } ?? true
            case .exists: return value != nil
            case .doesNotExist: return value == nil
            case .greaterThan, .lessThan:
                guard let number = value.flatMap({ Int64($0) }), values.count == 1, let bound = Int64(values[0]) else {
                    return false
                }
                return op == .greaterThan ? number > bound : number < bound
            }
        }

        public var description: String {
            switch op {
            case .exists: key
            case .doesNotExist: "!\(key)"
            case .in, .notIn: "\(key) \(op.rawValue) (\(values.joined(separator: ",")))"
            case .greaterThan: "\(key)>\(values.joined())"
            case .lessThan: "\(key)<\(values.joined())"
            case .equals, .doubleEquals, .notEquals: "\(key)\(op.rawValue)\(values.joined())"
            }
        }
    }

    /// Sorted by key.
    public let requirements: [Requirement]
    /// True for a selector that matches no object: a missing one, or one with an unknown operator.
    public let matchesNothing: Bool

    public static let everything = LabelSelector(requirements: [])
    public static let nothing = LabelSelector(requirements: [], matchesNothing: true)

    public init(requirements: [Requirement]) {
        self.init(requirements: requirements, matchesNothing: false)
    }

    private init(requirements: [Requirement], matchesNothing: Bool) {
        self.requirements = requirements.sorted { $0.key < $1.key }
        self.matchesNothing = matchesNothing
    }

    /// All of these labels, exactly: the selector of services and replication controllers.
    public init(set: [String: String]) {
        self.init(requirements: set.map { Requirement($0.key, .equals, [$0.value]) })
    }

    /// From `matchLabels` and `matchExpressions`. A missing selector (null) matches nothing, an empty one everything.
    public init(_ json: JSON) {
        guard json.isObject else {
            self = .nothing
            return
        }
        var requirements = json["matchLabels"].stringMap.map { Requirement($0.key, .equals, [$0.value]) }
        for expression in json["matchExpressions"].items {
            guard let requirement = Requirement(expression) else {
                self = .nothing
                return
            }
            requirements.append(requirement)
        }
        self.init(requirements: requirements)
    }

    /// Reads the form of queries and `kubectl -l`: `a=b,c!=d,e in (f,g),h,!i,j>5`.
    public init(parsing text: String) throws(SelectorError) {
        var parser = LabelSelectorParser(text)
        self.init(requirements: try parser.parse())
    }

    public var isEverything: Bool { requirements.isEmpty && !matchesNothing }

    public func matches(_ labels: [String: String]) -> Bool {
        !matchesNothing && requirements.allSatisfy { $0.matches(labels[$0.key]) }
    }

    /// Matches the labels as they stand in `metadata.labels`, without making a dictionary.
    public func matches(labels: JSON) -> Bool {
        !matchesNothing && requirements.allSatisfy { $0.matches(labels[$0.key].string) }
    }

    /// The form of queries.
    public var description: String { requirements.map(\.description).joined(separator: ",") }
}
