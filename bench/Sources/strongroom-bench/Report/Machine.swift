internal import Glibc

/// What the figures were measured on: never a host name, a user or a path.
struct Machine {
    let processor: String
    let cores: Int
    let memoryBytes: UInt64
    let kernel: String
    /// Versions of what the daemon is built with and runs on, as the caller gave them.
    let facts: [(name: String, text: String)]
    /// The day of the run, UTC: `2026-01-31`.
    let day: String

    init(facts: [String]) {
        let lines = (readFile("/proc/cpuinfo") ?? "").split(separator: "\n")
        let model = lines.first { $0.hasPrefix("model name") }?.split(separator: ":", maxSplits: 1).last
        processor = model.map { String($0.drop { $0 == " " }) } ?? "unknown processor"
        cores = MachineLoad.cores
        memoryBytes = UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
        kernel = readFile("/proc/sys/kernel/osrelease").map { String($0.prefix { $0 != "\n" }) } ?? "unknown"
        self.facts = facts.map { fact in
            let parts = fact.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), String(parts[1]))
        }
        day = Self.today()
    }

    /// The machine in a file name: `amd-epyc-2-cores`.
    var slug: String {
        let text = "\(processor) \(cores) cores".lowercased()
        let words = text.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return words.joined(separator: "-")
    }

    /// The list at the head of a results file.
    func head(isUnixSocket: Bool) -> String {
        let gigabytes = Figures.short(Double(memoryBytes) / 1_073_741_824)
        let transport = "\(isUnixSocket ? "a Unix socket" : "TCP on loopback"), TLS 1.3 with client certificates"
        let lines =
            [("Machine", "\(processor), \(cores) cores, \(gigabytes) GiB of memory"), ("Kernel", "Linux \(kernel)")]
            + facts.map { ($0.name, $0.text) } + [("Transport", "\(transport), HTTP/1.1 keep-alive")]
        return lines.map { "- \($0.0): \($0.1)" }.joined(separator: "\n")
    }

    private static func today() -> String {
        var now = time(nil)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&now, &parts)
        return unsafe "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
    }

    private static func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
