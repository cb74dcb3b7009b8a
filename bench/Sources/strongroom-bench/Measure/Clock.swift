internal import Glibc

/// Nanoseconds of a clock that only goes forward.
func monotonicNanoseconds() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) ?? 0 }

/// What a clock shows; nil where there is no such clock.
func nanoseconds(_ clock: clockid_t) -> UInt64? {
    var time = timespec()
    guard unsafe clock_gettime(clock, &time) == 0 else { return nil }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
