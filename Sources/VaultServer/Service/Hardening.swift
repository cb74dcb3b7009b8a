internal import Glibc
internal import SecretMemory

/// What the process does to itself before it touches a key.
package enum Hardening {
    /// No core files, no dumps, no tracing by the same user; files are the owner's only; freed memory is overwritten.
    ///
    /// The last one is `M_PERTURB` of glibc's allocator: every block is filled with a fixed byte when it is freed, so that
    /// no buffer of the network stack leaves card numbers behind in the heap.
    package static func apply() throws(StartupError) {
        do throws(HardeningError) {
            try ProcessHardening.apply()
        } catch {
            throw .hardening("hardening: \(error)")
        }
        umask(0o077)
        ProcessHardening.overwriteFreedMemory()
        signal(SIGPIPE, SIG_IGN)
    }

    /// Raises the limit of open files to what the system allows; gives it.
    package static func raiseOpenFiles() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
