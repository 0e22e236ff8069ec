/// The cells of jobs.
enum JobColumns {
    /// The condition that counts most; `Running` where none does.
    static func status(_ job: JSON) -> String {
        let conditions = job["status"]["conditions"].items
        func isTrue(_ type: String) -> Bool {
            conditions.contains { $0["type"].string == type && $0["status"].string == "True" }
        }
        if isTrue("Complete") { return "Complete" }
        if isTrue("Failed") { return "Failed" }
        if job.isDeleting { return "Terminating" }
        for type in ["Suspended", "FailureTarget", "SuccessCriteriaMet"] where isTrue(type) { return type }
        return "Running"
    }

    /// `2/3`; `0/1 of 4` for a job that is done with the first success of four.
    static func completions(_ job: JSON) -> String {
        let succeeded = job["status"]["succeeded"].int ?? 0
        if let completions = job["spec"]["completions"].int { return "\(succeeded)/\(completions)" }
        let parallelism = job["spec"]["parallelism"].int ?? 0
        return parallelism > 1 ? "\(succeeded)/1 of \(parallelism)" : "\(succeeded)/1"
    }

    /// From the start to the end, or to now; empty before the start.
    static func duration(_ job: JSON, _ now: Timestamp) -> JSON {
        guard let start = Timestamp(job["status"]["startTime"]) else { return "" }
        let end = Timestamp(job["status"]["completionTime"]) ?? now
        return .string((end - start).humanDescription)
    }
}
