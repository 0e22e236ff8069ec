/// The current objects of one resource, in order of keys: a sorted array in chunks.
///
/// A copy is a snapshot: it shares all chunks, and the next write copies the one that it touches. Measured against a
/// dictionary (12 ms for an ordered range of 5,000 out of 100,000, against 0.24) and a B-tree (an unstable trait).
struct SortedObjects: Sendable {
    private static let chunkLimit = 512

    /// No chunk is empty.
    private var chunks: [[StoredObject]] = []
    private(set) var count = 0

    subscript(_ key: String) -> StoredObject? {
        let (chunk, index, found) = position(of: key)
        return found ? chunks[chunk][index] : nil
    }

    /// Puts an object in, and returns the one it replaces.
    @discardableResult
    mutating func insert(_ object: StoredObject) -> StoredObject? {
        guard !chunks.isEmpty else {
            chunks = [[object]]
            count = 1
            return nil
        }
        let (chunk, index, found) = position(of: object.key)
        if found {
            let old = chunks[chunk][index]
            chunks[chunk][index] = object
            return old
        }
        chunks[chunk].insert(object, at: index)
        count += 1
        if chunks[chunk].count > Self.chunkLimit {
            let half = chunks[chunk].count / 2
            let upper = Array(chunks[chunk][half...])
            chunks[chunk].removeSubrange(half...)
            chunks.insert(upper, at: chunk + 1)
        }
        return nil
    }

    @discardableResult
    mutating func remove(_ key: String) -> StoredObject? {
        let (chunk, index, found) = position(of: key)
        guard found else { return nil }
        let old = chunks[chunk].remove(at: index)
        if chunks[chunk].isEmpty { chunks.remove(at: chunk) }
        count -= 1
        return old
    }

    /// Calls `body` for the objects whose key begins with `prefix` and is greater than `after`, in order, until it
    /// returns false.
    func forEach(prefix: String = "", after: String? = nil, _ body: (StoredObject) -> Bool) {
        let start = max(prefix, after ?? "")
        var (chunk, index, _) = position(of: start)
        while chunk < chunks.count {
            let objects = chunks[chunk]
            while index < objects.count {
                let object = objects[index]
                index += 1
                if let after, object.key <= after { continue }
                if !prefix.isEmpty, !object.key.utf8.starts(with: prefix.utf8) { return }
                if !body(object) { return }
            }
            chunk += 1
            index = 0
        }
    }

    /// Number of objects whose key begins with `prefix` and is greater than `after`.
    func count(prefix: String, after: String?) -> Int {
        if prefix.isEmpty && after == nil { return count }
        var result = 0
        forEach(prefix: prefix, after: after) { _ in
            result += 1
            return true
        }
        return result
    }

    /// Where the key is, or where it belongs.
    private func position(of key: String) -> (chunk: Int, index: Int, found: Bool) {
        guard !chunks.isEmpty else { return (0, 0, false) }
        // The last chunk whose first key is not greater.
        var low = 0
        var high = chunks.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if chunks[middle][0].key <= key { low = middle } else { high = middle }
        }
        let chunk = low
        low = 0
        high = chunks[chunk].count
        while low < high {
            let middle = (low + high) / 2
            if chunks[chunk][middle].key < key { low = middle + 1 } else { high = middle }
        }
        return (chunk, low, low < chunks[chunk].count && chunks[chunk][low].key == key)
    }
}
