import Glibc
import VaultCore

/// What single layers cost, measured alone: of the audit log so far. `bench/run audit` calls it.
@main
struct Layers {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else {
            print("usage: strongroom-layers DIRECTORY (on a disk; files are made in it)")
            exit(64)
        }
        try AuditCost(directory: CommandLine.arguments[1]).report()
    }
}

/// Processor time of this process, in nanoseconds.
func processorNanoseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

func wallNanoseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}
