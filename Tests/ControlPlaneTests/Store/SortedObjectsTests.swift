import Testing

@testable import ControlPlane

@Suite struct SortedObjectsTests {
    private func object(_ key: String, _ revision: Int64 = 1) -> StoredObject {
        StoredObject(key: key, revision: revision, bytes: [], facts: .none)
    }

    private func keys(_ objects: SortedObjects, prefix: String = "", after: String? = nil) -> [String] {
        var keys: [String] = []
        objects.forEach(prefix: prefix, after: after) {
            keys.append($0.key)
            return true
        }
        return keys
    }

    /// Against a plain dictionary, through many insertions and removals in random order.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func behavesAsADictionary(seed: UInt64) {
        var random = SplitMix(state: seed)
        var objects = SortedObjects()
        var model: [String: Int64] = [:]
        for revision in 1...6000 {
            let key = "ns\(random.next() % 5)/\(random.next() % 900)"
            if random.next() % 3 == 0 {
                #expect(objects.remove(key)?.revision == model.removeValue(forKey: key), "seed \(seed)")
            } else {
                let old = objects.insert(object(key, Int64(revision)))
                #expect(old?.revision == model.updateValue(Int64(revision), forKey: key), "seed \(seed)")
            }
        }
        #expect(objects.count == model.count)
        #expect(keys(objects) == model.keys.sorted())
        for (key, revision) in model { #expect(objects[key]?.revision == revision, "seed \(seed)") }
        for prefix in ["ns0/", "ns4/", "nsx/"] {
            let wanted = model.keys.filter { $0.hasPrefix(prefix) }.sorted()
            #expect(keys(objects, prefix: prefix) == wanted)
            #expect(objects.count(prefix: prefix, after: nil) == wanted.count)
            if wanted.count > 3 {
                #expect(keys(objects, prefix: prefix, after: wanted[2]) == Array(wanted[3...]))
                #expect(objects.count(prefix: prefix, after: wanted[2]) == wanted.count - 3)
            }
        }
    }

    @Test func aCopyIsASnapshot() {
        var objects = SortedObjects()
        for index in 0..<2000 { objects.insert(object("a/\(index)")) }
        let snapshot = objects
        for index in 0..<1000 { objects.remove("a/\(index)") }
        #expect(snapshot.count == 2000 && keys(snapshot).count == 2000)
        #expect(objects.count == 1000)
    }

    @Test func aPrefixDoesNotReachIntoLongerNames() {
        var objects = SortedObjects()
        for key in ["a-b/x", "a/x", "a/y", "aa/x", "b/x"] { objects.insert(object(key)) }
        #expect(keys(objects, prefix: "a/") == ["a/x", "a/y"])
        #expect(keys(objects, prefix: "a/", after: "a/x") == ["a/y"])
        // One to go on after that has been deleted meanwhile.
        #expect(keys(objects, prefix: "a/", after: "a/xx") == ["a/y"])
    }
}

/// Repeatable random numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
