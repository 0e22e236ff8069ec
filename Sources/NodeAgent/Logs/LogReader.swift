import KubeAPI
import Kernel

/// Reads a run's log as it was asked for: over its rotated files and, while it grows, on.
final class LogReader {
    private let path: String
    private let options: LogOptions
    private let since: [UInt8]?
    /// The rotated file up to which all was read; empty for none.
    private var lastRotated = ""
    /// Raw lines of the first file that are left out.
    private var skipped = 0
    private var current: LogFile?
    /// The log was seen to go on in a new file, while this one may have got its last lines.
    private var hasSeenSuccessor = false
    private var left: Int?

    /// What goes on in the next raw line: whether there is something, and whether it is shown.
    private struct OpenLine {
        var isInside = false
        var isShown = false
    }
    private var stdout = OpenLine()
    private var stderr = OpenLine()

    init(path: String, options: LogOptions) throws(KernelError) {
        self.path = path
        self.options = options
        since = options.since.map { Array($0.nano.utf8) }
        left = options.limitBytes
        if let lines = options.tailLines {
            let start = try LogTail.start(of: path, lines: lines)
            lastRotated = LogFiles.rotated(path).last { start.first == path || $0 < start.first } ?? ""
            skipped = start.skippedLines
        }
    }

    /// As many bytes as were asked for have been handed out.
    var isFull: Bool { left == 0 }

    /// The next piece of output; empty for nothing that is shown, nil at the (present) end.
    func next() throws(KernelError) -> [UInt8]? {
        guard !isFull else { return nil }
        if current == nil { current = openNext() }
        guard let file = current else { return nil }
        var output: [UInt8] = []
        let hasMore = try file.readLines { line in
            if skipped > 0 { skipped -= 1 } else { show(line, &output) }
        }
        if hasMore { return limited(output) }
        return leave(file) ? [] : nil
    }

    /// The oldest file that has not been read.
    private func openNext() -> LogFile? {
        // A rotation may come between looking and opening, once or twice.
        for _ in 0..<8 {
            if let name = LogFiles.rotated(path).first(where: { $0 > lastRotated }) {
                lastRotated = name
                if let file = LogFile(name) { return file }
                continue  // removed meanwhile: logs are bounded
            }
            guard let file = LogFile(path) else { return nil }
            let late = LogFiles.rotated(path).first { $0 > lastRotated }
            // What was opened has just been rotated: that is found out at its end.
            if late == nil || LogFile(late ?? "")?.inode == file.inode { return file }
        }
        return nil
    }

    /// At the end of a file: true where there is, or may be, more.
    private func leave(_ file: LogFile) -> Bool {
        if file.path == path {
            guard file.isReplaced else { return false }
            // Its last lines may have come after our last look and before its successor.
            guard hasSeenSuccessor else {
                hasSeenSuccessor = true
                return true
            }
            if let name = LogFiles.rotated(path).first(where: { LogFile($0)?.inode == file.inode }) {
                lastRotated = name
            }
        }
        hasSeenSuccessor = false
        skipped = 0
        current = nil
        return true
    }

    private func limited(_ output: [UInt8]) -> [UInt8] {
        guard let left else { return output }
        let part = output.prefix(left)
        self.left = left - part.count
        return Array(part)
    }

    private func show(_ raw: ArraySlice<UInt8>, _ output: inout [UInt8]) {
        guard let line = CRILine(raw) else { return }
        var open = line.stream == .stdout ? stdout : stderr
        let isBeginning = !open.isInside
        if isBeginning { open.isShown = isWanted(line) }
        open.isInside = line.isPartial
        if line.stream == .stdout { stdout = open } else { stderr = open }
        guard open.isShown else { return }
        if options.timestamps, isBeginning {
            output += line.time
            output.append(UInt8(ascii: " "))
        }
        output += line.text
        if !line.isPartial { output.append(UInt8(ascii: "\n")) }
    }

    private func isWanted(_ line: CRILine) -> Bool {
        if let stream = options.stream, stream != line.stream { return false }
        guard let since else { return true }
        // Times of one form sort as text.
        if line.time.count == since.count { return !line.time.lexicographicallyPrecedes(since) }
        guard let time = Timestamp(rfc3339: String(decoding: line.time, as: UTF8.self)), let wanted = options.since
        else {
            return true
        }
        return time >= wanted
    }
}
