import HeapModule

/// Pods that wait for a decision: the more important first, then the older.
struct SchedulingQueue: Sendable {
    private struct Entry: Comparable, Sendable {
        let key: String
        let priority: Int
        let number: UInt64

        static func < (left: Entry, right: Entry) -> Bool {
            left.priority == right.priority ? left.number < right.number : left.priority > right.priority
        }
        static func == (left: Entry, right: Entry) -> Bool { left.number == right.number }
    }

    private var heap = Heap<Entry>()
    private var queued: Set<String> = []

    var isEmpty: Bool { heap.isEmpty }

    /// `number` tells the age: no two pods have the same.
    mutating func add(_ key: String, priority: Int, number: UInt64) {
        guard queued.insert(key).inserted else { return }
        heap.insert(Entry(key: key, priority: priority, number: number))
    }

    mutating func next() -> String? {
        guard let entry = heap.popMin() else { return nil }
        queued.remove(entry.key)
        return entry.key
    }
}
