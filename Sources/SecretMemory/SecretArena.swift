import Glibc
import Synchronization

/// The process-wide pool of protected pages that all ``SecretBytes`` live in.
///
/// Secrets are few and small, so they share slabs of locked pages instead of taking a page each:
///
///     | guard | 64 KiB of granules, 64 bytes each: mlock, DONTDUMP, WIPEONFORK | guard |
///
/// A secret takes a run of whole granules. A free granule is all zeros at all times: a release wipes it, and the next
/// reservation checks it, so that a write after release stops the process instead of corrupting a key. A secret
/// too large for a shared slab gets one of its own, which is unmapped with it.
///
/// Any thread may call any member: the bookkeeping is behind one lock, held for no system call but those that add or
/// remove a slab. The locked total counts against `RLIMIT_MEMLOCK`.
package enum SecretArena {
    /// How well the pages of the arena are protected, and how many there are. Sizes are in bytes.
    package struct Status: Equatable, Sendable {
        /// Bytes of all slabs, guard pages not counted.
        package var mappedBytes = 0
        /// Bytes that `mlock` has accepted.
        package var lockedBytes = 0
        /// Bytes that are left out of core dumps and read as zeros in a child process.
        package var shieldedBytes = 0
        /// Bytes in use by live secrets, rounded up to whole granules.
        package var usedBytes = 0
        /// Secrets alive.
        package var liveSecrets = 0
        /// Secrets wiped and given back since the process started.
        package var wipedSecrets = 0
    }

    /// What the arena holds now.
    package static var status: Status {
        state.withLock { $0.status }
    }

    /// Whether every page of the arena is locked into memory.
    ///
    /// False once `mlock` has been refused, which means that `RLIMIT_MEMLOCK` is too small: secrets then still work,
    /// but may reach the swap device. It is true again when the unlocked slabs are gone.
    package static var isFullyLocked: Bool {
        state.withLock { $0.status.lockedBytes == $0.status.mappedBytes }
    }

    /// Size of an allocation unit in bytes, one cache line. Secrets are aligned to it.
    package static let granuleBytes = 64

    /// Size of a shared slab in bytes, without guard pages.
    package static let slabBytes = 65_536

    /// Reserves zeroed memory for a secret of `count` bytes. Stops the process if the system has no memory at all.
    static func reserve(count: Int) -> UnsafeMutableRawPointer {
        // Safe: the address leaves the lock, but what it points to is reserved for the caller alone.
        unsafe state.withLock { unsafe $0.reserve(count: count) }
    }

    /// Wipes the secret at `base` and takes its memory back. `count` is what it was reserved with.
    static func release(_ base: UnsafeMutableRawPointer, count: Int) {
        // The wipe is outside of the lock: the memory still belongs to the caller.
        unsafe wipe(UnsafeMutableRawBufferPointer(start: base, count: count))
        state.withLock { unsafe $0.release(base, count: count) }
    }

    private static let state = Mutex(ArenaState())
}

/// The slabs and their totals; guarded by the arena's lock.
private struct ArenaState: ~Copyable {
    var slabs: [SecretSlab] = []
    var status = SecretArena.Status()

    mutating func reserve(count: Int) -> UnsafeMutableRawPointer {
        precondition(count >= 0, "secret arena: negative size")
        let granules = granuleCount(for: count)
        for index in slabs.indices where slabs[index].isShared {
            if let base = unsafe slabs[index].reserve(granules: granules) {
                return unsafe account(base, granules: granules)
            }
        }
        var slab = SecretSlab(bytes: max(SecretArena.slabBytes, granules * SecretArena.granuleBytes))
        status.mappedBytes += slab.bytes
        status.lockedBytes += slab.isLocked ? slab.bytes : 0
        status.shieldedBytes += slab.isShielded ? slab.bytes : 0
        guard let base = unsafe slab.reserve(granules: granules) else {
            preconditionFailure("secret arena: a new slab has no room")
        }
        slabs.append(slab)
        return unsafe account(base, granules: granules)
    }

    mutating func release(_ base: UnsafeMutableRawPointer, count: Int) {
        let granules = granuleCount(for: count)
        guard let index = slabs.firstIndex(where: { unsafe $0.contains(base) }) else {
            preconditionFailure("secret arena: released memory that is not of the arena")
        }
        unsafe slabs[index].release(base, granules: granules)
        status.usedBytes -= granules * SecretArena.granuleBytes
        status.liveSecrets -= 1
        status.wipedSecrets += 1
        guard slabs[index].usedGranules == 0 else { return }
        // One empty shared slab stays, so that a secret that comes and goes costs no system call.
        let isSpare = slabs[index].isShared && slabs.count { $0.isShared && $0.usedGranules == 0 } == 1
        if !isSpare {
            let slab = slabs.remove(at: index)
            status.mappedBytes -= slab.bytes
            status.lockedBytes -= slab.isLocked ? slab.bytes : 0
            status.shieldedBytes -= slab.isShielded ? slab.bytes : 0
            slab.unmap()
        }
    }

    private mutating func account(_ base: UnsafeMutableRawPointer, granules: Int) -> UnsafeMutableRawPointer {
        status.usedBytes += granules * SecretArena.granuleBytes
        status.liveSecrets += 1
        return unsafe base
    }

    private func granuleCount(for count: Int) -> Int {
        max(1, (count + SecretArena.granuleBytes - 1) / SecretArena.granuleBytes)
    }
}
