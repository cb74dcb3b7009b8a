internal import Glibc

/// The daemon under test, seen from outside: the CPU time of all its threads, and its resident memory.
struct ServerProcess: Sendable {
    let pid: Int32
    private let clock: clockid_t

    /// Throws `noSuchProcess` where there is none.
    init(pid: Int32) throws(BenchError) {
        var clock = clockid_t()
        guard unsafe clock_getcpuclockid(pid, &clock) == 0, nanoseconds(clock) != nil else { throw .noSuchProcess(pid) }
        self.pid = pid
        self.clock = clock
    }

    /// User and system time of all threads so far. The same as utime + stime of `/proc/PID/stat`, but in nanoseconds,
    /// where those count in ticks of 10 milliseconds.
    func cpuNanoseconds() throws(BenchError) -> UInt64 {
        guard let time = nanoseconds(clock) else { throw .noSuchProcess(pid) }
        return time
    }

    /// The share of that time spent in the kernel, which only `/proc/PID/stat` knows: ticks of user and system time.
    func ticks() throws(BenchError) -> CPUTicks {
        // The name, field 2, is in parentheses and may hold anything; utime and stime are fields 14 and 15.
        guard let stat = readFile("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else {
            throw .noSuchProcess(pid)
        }
        let fields = stat[end...].split(separator: " ")
        guard fields.count > 13, let user = UInt64(fields[12]), let system = UInt64(fields[13]) else {
            throw .noSuchProcess(pid)
        }
        return CPUTicks(user: user, system: system)
    }

    /// Resident memory in bytes, the pages of the store that are mapped included; nil where it cannot be read.
    func residentBytes() -> UInt64? {
        guard
            let line = readFile("/proc/\(pid)/status")?.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") })
        else { return nil }
        // `VmRSS:     1234 kB`
        let words = line.split { $0 == " " || $0 == "\t" }
        return words.count == 3 ? UInt64(words[1]).map { $0 << 10 } : nil
    }
}

/// CPU time in clock ticks.
struct CPUTicks: Sendable {
    var user: UInt64
    var system: UInt64

    var total: UInt64 { user + system }

    static func - (after: Self, before: Self) -> Self {
        Self(user: after.user - before.user, system: after.system - before.system)
    }
}
