import Glibc

/// The signal that asks a container to end, as an image names it: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`.
enum StopSignal {
    private static let names: [String: Int32] = [
        "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "ILL": SIGILL, "TRAP": SIGTRAP, "ABRT": SIGABRT, "BUS": SIGBUS,
        "FPE": SIGFPE, "KILL": SIGKILL, "USR1": SIGUSR1, "SEGV": SIGSEGV, "USR2": SIGUSR2, "PIPE": SIGPIPE,
        "ALRM": SIGALRM, "TERM": SIGTERM, "CHLD": SIGCHLD, "CONT": SIGCONT, "STOP": SIGSTOP, "TSTP": SIGTSTP,
        "TTIN": SIGTTIN, "TTOU": SIGTTOU, "URG": SIGURG, "XCPU": SIGXCPU, "XFSZ": SIGXFSZ, "VTALRM": SIGVTALRM,
        "PROF": SIGPROF, "WINCH": SIGWINCH, "IO": SIGIO, "PWR": SIGPWR, "SYS": SIGSYS,
    ]

    /// Its number; SIGTERM where the text is empty or unknown.
    static func number(_ text: String) -> Int32 {
        let upper = text.uppercased()
        if let number = Int32(upper) { return (1...64).contains(number) ? number : SIGTERM }
        let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
        if let number = names[name] { return number }
        // glibc keeps the first two real-time signals to itself: SIGRTMIN is 34 to programs.
        if name.hasPrefix("RTMIN") {
            let offset = name == "RTMIN" ? 0 : Int32(name.dropFirst(6)) ?? -1
            return (0...30).contains(offset) ? 34 + offset : SIGTERM
        }
        if name.hasPrefix("RTMAX") {
            let offset = name == "RTMAX" ? 0 : Int32(name.dropFirst(6)) ?? -1
            return (0...30).contains(offset) ? 64 - offset : SIGTERM
        }
        return SIGTERM
    }
}
