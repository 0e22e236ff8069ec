import Testing

@testable import KubeAPI

@Suite struct FieldSetTests {
    private func set(_ text: String) throws -> FieldSet { FieldSet(root: try JSON.parse(text).object) }

    @Test func setsAreUnited() throws {
        let left = try set(#"{"f:a":{},"f:b":{"f:c":{}}}"#)
        let right = try set(#"{"f:b":{".":{},"f:d":{}},"f:a":{"f:x":{}}}"#)
        #expect(try left.union(right) == set(#"{"f:a":{".":{},"f:x":{}},"f:b":{".":{},"f:c":{},"f:d":{}}}"#))
        #expect(left.union(right) == right.union(left))
        #expect(left.union(FieldSet()) == left)
    }

    @Test func aDifferenceTakesMembersAndNotWhatIsBelowThem() throws {
        let left = try set(#"{"f:a":{".":{},"f:b":{}},"f:c":{}}"#)
        #expect(try left.subtracting(set(#"{"f:a":{}}"#)) == set(#"{"f:a":{"f:b":{}},"f:c":{}}"#))
        #expect(try left.subtracting(set(#"{"f:a":{"f:b":{}}}"#)) == set(#"{"f:a":{},"f:c":{}}"#))
        #expect(left.subtracting(left).isEmpty)
    }

    @Test func aDeepDifferenceTakesAll() throws {
        let left = try set(#"{"f:a":{".":{},"f:b":{}},"f:c":{}}"#)
        #expect(try left.subtractingDeeply(set(#"{"f:a":{}}"#)) == set(#"{"f:c":{}}"#))
    }

    @Test func anIntersectionKeepsWhatBothHave() throws {
        let left = try set(#"{"f:a":{".":{},"f:b":{}},"f:c":{}}"#)
        #expect(
            try left.intersection(set(#"{"f:a":{"f:b":{},"f:z":{}},"f:c":{"f:d":{}}}"#)) == set(#"{"f:a":{"f:b":{}}}"#))
    }

    @Test func pathsArePrintedInKubernetesOrder() throws {
        let fields = try set(
            #"{"f:spec":{"f:replicas":{},"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:image":{}},"k:{\"name\":\"a\"}":{}}},"f:finalizers":{"v:\"x\"":{}}}"#
        )
        #expect(
            fields.paths == [
                ".finalizers[=\"x\"]", ".spec.replicas", ".spec.containers[name=\"a\"]", ".spec.containers[name=\"b\"]",
                ".spec.containers[name=\"b\"].image",
            ])
    }

    @Test func severalKeysArePrintedTogether() {
        #expect(
            FieldPath.text(#"k:{"containerPort":80,"protocol":"TCP"}"#) == "[containerPort=80,protocol=\"TCP\"]")
    }
}
