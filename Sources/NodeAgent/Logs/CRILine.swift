/// One line of a container's log, in the CRI's format: `2006-01-02T15:04:05.000000000Z stdout F text`. `P` marks a part
/// of a line that is longer than the writer's limit, or that has no end yet.
struct CRILine {
    enum Stream { case stdout, stderr }

    /// RFC 3339, as it is written.
    let time: ArraySlice<UInt8>
    let stream: Stream
    /// The text goes on in the next line.
    let isPartial: Bool
    let text: ArraySlice<UInt8>

    /// From a line without its newline; nil for what is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        let space = UInt8(ascii: " ")
        guard let first = line.firstIndex(of: space) else { return nil }
        let rest = line[(first + 1)...]
        guard let second = rest.firstIndex(of: space) else { return nil }
        let name = rest[..<second]
        if name.elementsEqual("stdout".utf8) {
            stream = .stdout
        } else if name.elementsEqual("stderr".utf8) {
            stream = .stderr
        } else {
            return nil
        }
        let tags = line[(second + 1)...]
        guard let tag = tags.first else { return nil }
        // Tags may come to be several, joined by colons; the first is the one that is known.
        let end = tags.firstIndex(of: space) ?? tags.endIndex
        isPartial = tag == UInt8(ascii: "P")
        guard isPartial || tag == UInt8(ascii: "F") else { return nil }
        time = line[..<first]
        text = end < tags.endIndex ? tags[(end + 1)...] : tags[tags.endIndex...]
    }
}
