import Glibc
import KubeAPI

/// The process's own figures, under the names that Prometheus' clients give them. Read when asked for.
enum ProcessMetrics {
    /// `startTime` in Unix time.
    static func text(startTime: Int) -> String {
        var text = PrometheusText()
        write(startTime: startTime, into: &text)
        return text.text
    }

    static func write(startTime: Int, into text: inout PrometheusText) {
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
            let micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
            text.one(
                "process_cpu_seconds_total", .counter, "CPU time in seconds.", Double(seconds) + Double(micros) / 1e6)
        }
        let pages = smallFile("/proc/self/statm").split(separator: " ").compactMap { Int($0) }
        if pages.count > 1 {
            let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
            text.one("process_resident_memory_bytes", .gauge, "Resident memory in bytes.", pages[1] &* pageBytes)
            text.one("process_virtual_memory_bytes", .gauge, "Virtual memory in bytes.", pages[0] &* pageBytes)
        }
        if let count = descriptorCount() { text.one("process_open_fds", .gauge, "Open descriptors.", count) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(7), &limit) == 0 {  // RLIMIT_NOFILE
            text.one("process_max_fds", .gauge, "Most descriptors that may be open.", limit.rlim_cur)
        }
        text.one("process_start_time_seconds", .gauge, "Start of the process, Unix time.", startTime)
    }

    private static func descriptorCount() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = -1  // the directory itself
        while let entry = readdir(directory) { if entry.pointee.d_name.0 != 0x2e { count += 1 } }
        return count
    }

    /// Empty where it cannot be read.
    private static func smallFile(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }
}
