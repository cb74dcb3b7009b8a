import Glibc

/// Keeps the memory of this process away from core dumps and from other processes of the same user.
package enum ProcessHardening {
    /// Forbids core dumps and tracing for the rest of the process's life. Call it first thing, before any key is read.
    ///
    /// Sets `RLIMIT_CORE` to zero, soft and hard, and `PR_SET_DUMPABLE` to 0, so that another process of the same user
    /// can neither attach a debugger nor read `/proc/PID/mem`. The setting is read back. Any thread may call it, and
    /// calling it again is harmless. The corresponding C functions are `setrlimit` and `prctl`.
    package static func apply() throws(HardeningError) {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        // Safe: the structure outlives the call.
        guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
            throw .coreLimitRefused(errno: errno)
        }
        guard let prctl = processControl() else { throw .processControlMissing }
        guard prctl(setDumpable, 0, 0, 0, 0) == 0 else { throw .dumpableRefused(errno: errno) }
        guard prctl(getDumpable, 0, 0, 0, 0) == 0 else { throw .dumpableRefused(errno: EPERM) }
        endPlainlyOnFaults()
    }

    /// Takes back the runtime's crash reports: they print registers and the memory behind them, which may be a key or a
    /// card number, to standard error and so into the log.
    private static func endPlainlyOnFaults() {
        for fault in [SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGQUIT] { _ = signal(fault, SIG_DFL) }
    }

    /// From now on every block of the heap is overwritten when it is freed, whoever allocated it: buffers of the network
    /// stack leave no card numbers behind. Large blocks stay in the heap instead of going back to the kernel at once, which
    /// would page them in again for the next buffer. Call it before other threads start. The corresponding C function is
    /// `mallopt`, which is in no module; another allocator has none, and nothing happens.
    package static func overwriteFreedMemory() {
        guard let symbol = unsafe dlsym(nil, "mallopt") else { return }
        // Safe: mallopt takes two ints and gives one.
        let mallopt = unsafe unsafeBitCast(symbol, to: (@convention(c) (CInt, CInt) -> CInt).self)
        _ = mallopt(perturb, 0xA5)
        _ = mallopt(trimThreshold, 16 << 20)
        _ = mallopt(mapThreshold, 4 << 20)
    }

    /// `M_PERTURB`, `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of <malloc.h>.
    private static let perturb: CInt = -6
    private static let trimThreshold: CInt = -1
    private static let mapThreshold: CInt = -3

    /// `PR_SET_DUMPABLE` and `PR_GET_DUMPABLE` of <linux/prctl.h>, which is not in Swift's module for the C library.
    private static let setDumpable: CInt = 4
    private static let getDumpable: CInt = 3

    private typealias ProcessControl =
        @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong)
        -> CInt

    /// `prctl` is variadic in C, which Swift cannot call by name, so it is looked up in the running C library.
    private static func processControl() -> ProcessControl? {
        guard let symbol = unsafe dlsym(nil, "prctl") else { return nil }
        // Safe: prctl takes one int and four unsigned longs in registers on every Linux ABI that Swift supports.
        return unsafe unsafeBitCast(symbol, to: ProcessControl.self)
    }
}

/// Why the process could not be hardened. The number is the `errno` of the refused call.
package enum HardeningError: Error, Equatable, Sendable {
    /// `setrlimit(RLIMIT_CORE)` was refused.
    case coreLimitRefused(errno: CInt)
    /// `prctl(PR_SET_DUMPABLE)` was refused or had no effect.
    case dumpableRefused(errno: CInt)
    /// The C library has no `prctl`.
    case processControlMissing
}
