import Glibc
import KubeAPI
import Testing

@testable import NodeAgent

/// Reading containers' logs, with lines in the CRI's format.
@Suite struct LogTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("main/0.log") }

    init() throws { folder = try TemporaryFolder() }

    private func line(_ second: Int, _ text: String, tag: String = "F", stream: String = "stdout") -> String {
        "2026-03-04T05:06:\(second < 10 ? "0" : "")\(second).000000000Z \(stream) \(tag) \(text)\n"
    }
    private func write(_ lines: String..., rotated: String? = nil) throws {
        try folder.write(lines.joined(), to: "main/0.log" + (rotated.map { ".\($0)" } ?? ""))
    }
    private func read(_ change: (inout LogOptions) -> Void = { _ in }) throws -> String {
        var options = LogOptions()
        change(&options)
        let reader = try LogReader(path: path, options: options)
        var output: [UInt8] = []
        while let piece = try reader.next() { output += piece }
        return String(decoding: output, as: UTF8.self)
    }

    // MARK: lines

    @Test func aLineHasFourParts() throws {
        let bytes = Array("2026-03-04T05:06:07.1Z stderr P a text with spaces".utf8)
        let line = try #require(CRILine(bytes[...]))
        #expect(String(decoding: line.time, as: UTF8.self) == "2026-03-04T05:06:07.1Z")
        #expect(line.stream == .stderr)
        #expect(line.isPartial)
        #expect(String(decoding: line.text, as: UTF8.self) == "a text with spaces")
    }

    @Test func anEmptyLineIsALine() throws {
        let line = try #require(CRILine(Array("t stdout F ".utf8)[...]))
        #expect(line.text.isEmpty)
        #expect(try #require(CRILine(Array("t stdout F".utf8)[...])).text.isEmpty)
    }

    @Test(arguments: ["", "text", "t stdin F x", "t stdout X x", "t stdout", "t stdout "])
    func whatIsNoLineIsNone(text: String) {
        #expect(CRILine(Array(text.utf8)[...]) == nil)
    }

    // MARK: reading

    @Test func allOfALogThatIsThere() throws {
        try write(line(1, "one"), line(2, "two", stream: "stderr"), line(3, ""))
        #expect(try read() == "one\ntwo\n\n")
    }

    @Test func aLogThatIsNotThereIsEmpty() throws {
        #expect(try read() == "")
        #expect(try read { $0.tailLines = 3 } == "")
    }

    @Test func partsAreJoinedAndAMissingEndIsNotMadeUp() throws {
        try write(line(1, "on", tag: "P"), line(1, "e"), line(2, "no end", tag: "P"))
        #expect(try read() == "one\nno end")
        #expect(
            try read { $0.timestamps = true }
                == "2026-03-04T05:06:01.000000000Z one\n2026-03-04T05:06:02.000000000Z no end")
    }

    @Test func partsOfTwoStreamsMayBeMixed() throws {
        try write(
            line(1, "o", tag: "P"), line(1, "err", stream: "stderr"), line(2, "ut"), line(3, "more"))
        #expect(try read { $0.stream = .stdout } == "out\nmore\n")
        #expect(try read { $0.stream = .stderr } == "err\n")
    }

    @Test func rotatedFilesComeFirst() throws {
        try write(line(1, "one"), rotated: "20260304-050601.000000000")
        try write(line(2, "two"), rotated: "20260304-050602.000000000")
        try write(line(3, "three"))
        #expect(try read() == "one\ntwo\nthree\n")
    }

    @Test func otherFilesAreNotTheLogs() throws {
        try folder.write(line(1, "other"), to: "main/0.log.tmp")
        try folder.write(line(1, "other"), to: "main/10.log")
        try write(line(3, "mine"))
        #expect(try read() == "mine\n")
    }

    @Test(arguments: [
        (0, ""), (1, "five\n"), (2, "four\nfive\n"), (3, "three\nfour\nfive\n"), (4, "two\nthree\nfour\nfive\n"),
        (5, "one\ntwo\nthree\nfour\nfive\n"), (99, "one\ntwo\nthree\nfour\nfive\n"),
    ])
    func theLastLinesAcrossRotatedFiles(count: Int, expected: String) throws {
        try write(line(1, "one"), line(2, "t", tag: "P"), line(2, "wo"), rotated: "20260304-050601.000000000")
        try write(line(3, "three"), rotated: "20260304-050602.000000000")
        try write(line(4, "fo", tag: "P"), line(4, "ur"), line(5, "five"))
        #expect(try read { $0.tailLines = count } == expected)
    }

    @Test func theLastLinesOfALogOfManyBlocks() throws {
        let lines = (0..<5000).map { line($0 % 60, "line \($0) " + String(repeating: "x", count: 40)) }
        try folder.write(lines.joined(), to: "main/0.log")
        #expect(try read().split(separator: "\n").count == 5000)
        let tail = try read { $0.tailLines = 3000 }.split(separator: "\n")
        #expect(tail.count == 3000)
        #expect(tail.first?.hasPrefix("line 2000 ") == true)
        #expect(tail.last?.hasPrefix("line 4999 ") == true)
    }

    @Test func linesSinceATime() throws {
        try write(line(1, "one"), line(2, "two"), line(3, "three"))
        let time = try #require(Timestamp(rfc3339: "2026-03-04T05:06:02Z"))
        #expect(try read { $0.since = time } == "two\nthree\n")
        #expect(try read { $0.since = time + .seconds(60) } == "")
    }

    @Test func noMoreBytesThanWereAskedFor() throws {
        try write(line(1, "one"), line(2, "two"))
        #expect(try read { $0.limitBytes = 5 } == "one\nt")
        #expect(try read { $0.limitBytes = 100 } == "one\ntwo\n")
    }

    // MARK: following

    private func drain(_ reader: LogReader) throws -> String {
        var output: [UInt8] = []
        while let piece = try reader.next() { output += piece }
        return String(decoding: output, as: UTF8.self)
    }

    @Test func aLogThatGrowsIsReadOn() throws {
        try write(line(1, "one"), "2026-03-04T05:06:02.000000000Z stdout F tw")
        let reader = try LogReader(path: path, options: LogOptions())
        #expect(try drain(reader) == "one\n")
        try append("o\n" + line(3, "three"))
        #expect(try drain(reader) == "two\nthree\n")
        #expect(try drain(reader) == "")
    }

    @Test func aLogThatIsRotatedMeanwhileLosesNothing() throws {
        try write(line(1, "one"))
        let reader = try LogReader(path: path, options: LogOptions())
        #expect(try drain(reader) == "one\n")
        try append(line(2, "two"))
        try rotate("20260304-050602.000000000")
        try write(line(3, "three"))
        try rotate("20260304-050603.000000000")
        try write(line(4, "four"))
        #expect(try drain(reader) == "two\nthree\nfour\n")
        try append(line(5, "five"))
        #expect(try drain(reader) == "five\n")
    }

    @Test func aLogThatBeginsLaterIsFollowed() throws {
        let reader = try LogReader(path: path, options: LogOptions())
        #expect(try drain(reader) == "")
        try write(line(1, "one"))
        #expect(try drain(reader) == "one\n")
    }

    private func append(_ text: String) throws {
        let file = try #require(fopen(path, "a"))
        defer { fclose(file) }
        fputs(text, file)
    }
    private func rotate(_ stamp: String) throws {
        try #require(rename(path, path + "." + stamp) == 0)
    }

    // MARK: words for the status

    @Test func theLastWordsAreTheEndOfTheLog() throws {
        try folder.write((0..<200).map { line(1, "line \($0)") }.joined(), to: "main/0.log")
        let words = LogTail.lastWords(of: path).split(separator: "\n")
        #expect(words.last == "line 199")
        #expect(words.count <= 81)
        #expect(LogTail.lastWords(of: folder.file("none")) == "")
        try folder.write(line(1, String(repeating: "x", count: 6000)), to: "main/0.log")
        #expect(LogTail.lastWords(of: path).utf8.count <= 2048)
    }

    // MARK: options

    @Test func optionsAreReadFromTheQuery() throws {
        let options = try LogOptions(
            query: [
                ("follow", "true"), ("tailLines", "5"), ("sinceSeconds", "10"), ("timestamps", "1"),
                ("limitBytes", "7"),
                ("container", "main"), ("previous", "false"), ("stream", "Stderr"),
            ], now: Sample.now)
        #expect(options.follow && options.timestamps && !options.previous)
        #expect(options.tailLines == 5 && options.limitBytes == 7 && options.stream == .stderr)
        #expect(options.since == Sample.now - .seconds(10))
    }

    @Test(arguments: [
        "tailLines=-1", "tailLines=x", "limitBytes=0", "sinceSeconds=0", "sinceTime=yesterday", "stream=x",
    ])
    func badOptionsAreRefused(text: String) {
        let parts = text.split(separator: "=").map(String.init)
        #expect(throws: StatusError.self) { try LogOptions(query: [(parts[0], parts[1])]) }
    }
}
