import Glibc
import KubeAPI
import Kernel

/// Where the last lines of a log begin.
enum LogTail {
    /// The file with the first of them, and how many of its raw lines are to be left out.
    struct Start: Equatable {
        var first: String
        var skippedLines: Int
    }

    /// - Parameter lines: lines as a person counts them; parts of one are one.
    static func start(of path: String, lines: Int) throws(KernelError) -> Start {
        guard lines > 0 else {
            // Only what is to come.
            return Start(first: path, skippedLines: try count(path, keeping: 0).total)
        }
        var first = path
        var wanted = lines
        for file in [path] + LogFiles.rotated(path).reversed() {
            let counted = try count(file, keeping: wanted)
            if counted.lines >= wanted { return Start(first: file, skippedLines: counted.firstOfLast) }
            wanted -= counted.lines
            first = file
        }
        return Start(first: first, skippedLines: 0)
    }

    private struct Count {
        /// Raw lines.
        var total = 0
        /// Lines that a person counts. One that began in the file before counts here once more.
        var lines = 0
        /// The raw number of the line with which the last `keeping` begin.
        var firstOfLast = 0
    }

    private static func count(_ path: String, keeping wanted: Int) throws(KernelError) -> Count {
        var result = Count()
        guard let file = LogFile(path) else { return result }
        // The raw numbers at which the last lines begin, as a ring.
        var ring: [Int] = []
        var isInsideStdout = false
        var isInsideStderr = false
        var more = true
        while more {
            more = try file.readLines { raw in
                defer { result.total += 1 }
                guard let line = CRILine(raw) else { return }
                let isInside = line.stream == .stdout ? isInsideStdout : isInsideStderr
                if line.stream == .stdout { isInsideStdout = line.isPartial } else { isInsideStderr = line.isPartial }
                if isInside { return }
                if wanted > 0 {
                    if ring.count < wanted {
                        ring.append(result.total)
                    } else {
                        ring[result.lines % wanted] = result.total
                    }
                }
                result.lines += 1
            }
        }
        if wanted > 0, result.lines >= wanted { result.firstOfLast = ring[result.lines % wanted] }
        return result
    }

    /// What a container that failed said last, for its status (terminationMessagePolicy FallbackToLogsOnError):
    /// at most 80 lines and 2048 bytes.
    static func lastWords(of path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { return "" }
        // Each line has some 40 bytes of its own.
        let window = 8 << 10
        let offset = max(0, Int(info.st_size) - window)
        var bytes = [UInt8](repeating: 0, count: window)
        let count = pread(file, &bytes, window, offset)
        guard count > 0 else { return "" }
        var lines = bytes[..<count].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if offset > 0 { lines.removeFirst() }
        var text: [UInt8] = []
        for line in lines.suffix(81) {
            guard let line = CRILine(line) else { continue }
            text += line.text
            if !line.isPartial { text.append(UInt8(ascii: "\n")) }
        }
        return String(decoding: text.suffix(2048), as: UTF8.self)
    }
}
