import Glibc

/// Which shared libraries a program needs, by the names under which the loader finds them: the loader itself says so
/// (ld.so(8), LD_TRACE_LOADED_OBJECTS).
enum LoadedLibraries {
    /// Paths of libraries and loader; none for a program without.
    static func of(_ program: String) throws -> [String] {
        let text = try trace(program)
        var paths: [String] = []
        for line in text.split(separator: "\n") {
            // NAME => PATH (0x…), or PATH (0x…) for the loader.
            let words = line.split { $0 == " " || $0 == "\t" }
            if line.contains("not found") {
                throw CommandError("cannot make an image of \(program): its library \(words.first ?? "") is not found")
            }
            let path = words.count > 2 && words[1] == "=>" ? words[2] : words.first ?? ""
            if path.hasPrefix("/"), !paths.contains(String(path)) { paths.append(String(path)) }
        }
        return paths
    }

    private static func trace(_ program: String) throws -> String {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(program, errno) }
        defer { close(ends[0]) }
        // The copy that becomes the child's output is not closed by this.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let arguments = [strdup(program), nil]
        let environment = [strdup("LD_TRACE_LOADED_OBJECTS=1"), nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, nil, arguments, environment)
        close(ends[1])
        guard code == 0 else { throw failure(program, code) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(ends[0], &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func failure(_ program: String, _ code: Int32) -> CommandError {
        CommandError("cannot ask for the libraries of \(program): \(String(cString: strerror(code)))")
    }
}
