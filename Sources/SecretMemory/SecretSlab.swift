import Glibc

/// One run of protected pages between two guard pages, and the map of which granules are taken.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to a mapping that this slab made and that lives until `unmap`; the
/// only copy is inside the arena, behind its lock, and every address is checked against the mapping before use.
@safe
struct SecretSlab: @unchecked Sendable {
    /// First usable byte, just after the lower guard page.
    private let base: UnsafeMutableRawPointer
    /// Usable size, a whole number of pages.
    let bytes: Int
    /// Whether `mlock` accepted the pages.
    let isLocked: Bool
    /// Whether the pages are left out of core dumps and wiped in child processes.
    let isShielded: Bool
    /// Whether small secrets share the slab; a larger one has its slab alone.
    var isShared: Bool { bytes == SecretArena.slabBytes }
    /// Granules in use.
    private(set) var usedGranules = 0
    /// One flag per granule; the map lives outside of the pages, so nothing in them can damage it.
    private var taken: [Bool]

    /// Maps at least `bytes` of protected memory. Stops the process if there is none: nothing can run without keys.
    init(bytes wanted: Int) {
        let page = Int(getpagesize())
        bytes = (wanted + page - 1) / page * page
        let whole = bytes + 2 * page
        let map = unsafe mmap(nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let map = unsafe map, unsafe map != MAP_FAILED else {
            fatalError("secret arena: mmap failed, errno \(errno)")
        }
        unsafe base = unsafe map + page
        guard unsafe mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0 else {
            fatalError("secret arena: mprotect failed, errno \(errno)")
        }
        // Dump and fork protection first, so that the pages are never locked and unshielded at once.
        let undumped = unsafe madvise(base, bytes, MADV_DONTDUMP) == 0
        let wipedOnFork = unsafe madvise(base, bytes, MADV_WIPEONFORK) == 0
        isShielded = undumped && wipedOnFork
        isLocked = unsafe mlock(base, bytes) == 0
        taken = [Bool](repeating: false, count: bytes / SecretArena.granuleBytes)
    }

    /// Whether `address` is inside the usable pages.
    func contains(_ address: UnsafeMutableRawPointer) -> Bool {
        unsafe address >= base && address < base + bytes
    }

    /// Takes the first free run of `granules`, or returns nil if there is none. Its bytes are zero.
    mutating func reserve(granules: Int) -> UnsafeMutableRawPointer? {
        guard granules <= taken.count - usedGranules else { return nil }
        var run = 0
        for index in taken.indices {
            run = taken[index] ? 0 : run + 1
            guard run == granules else { continue }
            let first = index + 1 - granules
            for granule in first...index {
                taken[granule] = true
            }
            usedGranules += granules
            let start = unsafe base + first * SecretArena.granuleBytes
            unsafe requireZero(start, count: granules * SecretArena.granuleBytes)
            return unsafe start
        }
        return nil
    }

    /// Gives a run back. The caller has wiped its secret; the padding after it must never have been written.
    mutating func release(_ start: UnsafeMutableRawPointer, granules: Int) {
        let offset = unsafe start - base
        let first = offset / SecretArena.granuleBytes
        precondition(offset % SecretArena.granuleBytes == 0, "secret arena: released inside of a granule")
        precondition(first + granules <= taken.count, "secret arena: released past the slab")
        unsafe requireZero(start, count: granules * SecretArena.granuleBytes)
        for granule in first..<(first + granules) {
            precondition(taken[granule], "secret arena: released twice")
            taken[granule] = false
        }
        usedGranules -= granules
    }

    /// Returns the pages to the system. Nothing may use the slab afterwards.
    func unmap() {
        let page = Int(getpagesize())
        guard unsafe munmap(base - page, bytes + 2 * page) == 0 else {
            fatalError("secret arena: munmap failed, errno \(errno)")
        }
    }

    /// Stops the process if a byte that must be zero is not: something wrote past its secret or after its release.
    private func requireZero(_ start: UnsafeMutableRawPointer, count: Int) {
        var seen: UInt64 = 0
        // Safe: runs are inside the mapping, aligned to granules and a multiple of eight bytes long.
        for offset in stride(from: 0, to: count, by: 8) {
            seen |= unsafe start.load(fromByteOffset: offset, as: UInt64.self)
        }
        precondition(seen == 0, "secret arena: memory outside of a live secret was written")
    }
}
