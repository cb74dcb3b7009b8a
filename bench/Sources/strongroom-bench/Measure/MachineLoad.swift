internal import Glibc

/// How busy the whole machine is, from `/proc/stat`: by this, other people's work is told from ours.
enum MachineLoad {
    /// Nanoseconds all cores together spent working since the machine started; nil where it cannot be read.
    static func busyNanoseconds() -> UInt64? {
        guard let line = readFile("/proc/stat")?.split(separator: "\n").first else { return nil }
        let fields = line.split(separator: " ").dropFirst().compactMap { UInt64($0) }
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        guard fields.count >= 8 else { return nil }
        let ticks = fields[0] + fields[1] + fields[2] + fields[5] + fields[6] + fields[7]
        return ticks * (1_000_000_000 / UInt64(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Cores that are running.
    static var cores: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
}
