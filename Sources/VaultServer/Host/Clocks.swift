internal import Glibc

/// UTC, for what is stored and shown. May jump; never used for deadlines of connections.
package enum WallClock {
    /// Unix seconds.
    package static var seconds: UInt32 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return UInt32(clamping: now.tv_sec)
    }

    /// Unix seconds, and milliseconds of the second.
    static var precise: (seconds: UInt64, milliseconds: UInt32) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return (UInt64(max(0, now.tv_sec)), UInt32(now.tv_nsec / 1_000_000))
    }
}

/// Time that only goes forward, for durations.
package enum MonotonicClock {
    /// Nanoseconds since some start.
    package static var now: UInt64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
