import KubeAPI

/// Indexes of an Indexed job, written as Kubernetes writes them: `1,3-5,7` (`status.completedIndexes`).
struct CompletionIndexes: Sendable, Equatable {
    /// The label and annotation that say which index a pod has.
    static let label = "batch.kubernetes.io/job-completion-index"
    /// What a program finds its index by.
    static let variable = "JOB_COMPLETION_INDEX"

    private(set) var all: Set<Int> = []

    init() {}

    /// What is no index below `limit` is left out.
    init(_ text: String, below limit: Int) {
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-", maxSplits: 1).compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first >= 0, first <= last, first < limit else {
                continue
            }
            all.formUnion(first...min(last, limit - 1))
        }
    }

    var count: Int { all.count }
    func contains(_ index: Int) -> Bool { all.contains(index) }
    mutating func insert(_ index: Int) { all.insert(index) }

    var text: String {
        var runs: [(first: Int, last: Int)] = []
        for index in all.sorted() {
            if let run = runs.last, run.last + 1 == index {
                runs[runs.count - 1].last = index
            } else {
                runs.append((index, index))
            }
        }
        return runs.map { run in
            switch run.last - run.first {
            case 0: "\(run.first)"
            case 1: "\(run.first),\(run.last)"
            default: "\(run.first)-\(run.last)"
            }
        }.joined(separator: ",")
    }

    /// The index of a pod; nil for none that is below `limit`.
    static func index(of pod: Pod, below limit: Int) -> Int? {
        pod.annotations[label].flatMap { Int($0) }.flatMap { (0..<limit).contains($0) ? $0 : nil }
    }

    /// A job's pod with an index: by label and annotation, by a variable, and by its host name.
    static func pod(_ pod: JSON, of job: Job, index: Int) -> JSON {
        var pod = pod
        let text = JSON.string("\(index)")
        let name = job.name + "-\(index)"
        pod["metadata"]["generateName"] = .string(name + "-")
        pod["metadata"]["labels"][label] = text
        pod["metadata"]["annotations"][label] = text
        pod["spec"]["hostname"] = .string(name)
        let variable: JSON = [
            "name": .string(Self.variable),
            "valueFrom": ["fieldRef": ["fieldPath": .string("metadata.labels['\(label)']")]],
        ]
        for list in ["containers", "initContainers"] {
            for position in pod["spec"][list].items.indices {
                let known = pod["spec"][list][position]["env"].items
                if !known.contains(where: { $0["name"] == variable["name"] }) {
                    pod["spec"][list][position]["env"] = .array(known + [variable])
                }
            }
        }
        return pod
    }
}
