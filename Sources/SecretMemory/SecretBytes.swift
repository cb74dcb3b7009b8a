/// A fixed number of bytes of key material, alone in protected memory and wiped at the end of its life.
///
/// The bytes are in ``SecretArena``: locked, left out of core dumps, zero in a child process, between guard pages. A
/// move moves the address and never the bytes. The type cannot be copied, printed or compared with `==`; use
/// ``constantTimeEqual(_:_:)``. In a child process made by `fork` all of its bytes read as zero.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to `count` bytes that only this value owns until `deinit`; the type
/// is noncopyable, so shared access is reading only and writing needs exclusive access.
@safe
package struct SecretBytes: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    /// Size in bytes.
    package let count: Int

    /// Makes a secret of `count` zero bytes.
    package init(count: Int) {
        unsafe base = unsafe SecretArena.reserve(count: count)
        self.count = count
    }

    /// Makes a secret with the bytes of `source`, which stay where they are: wiping them is up to the caller.
    package init(copying source: Span<UInt8>) {
        self.init(count: source.count)
        // Safe: the secret has room for exactly source.count bytes, and fresh memory cannot overlap the source.
        unsafe source.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { unsafe base.copyMemory(from: start, byteCount: bytes.count) }
        }
    }

    /// Makes a secret of `count` bytes and has `body` write them in place. When `body` throws, what it wrote is wiped.
    package init<Failure: Error>(
        count: Int, filledBy body: (inout MutableSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        self.init(count: count)
        var bytes = mutableSpan
        try body(&bytes)
    }

    /// The bytes, for reading.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get {
            let pointer = unsafe UnsafePointer(base.assumingMemoryBound(to: UInt8.self))
            // Safe: base is valid for count initialized bytes as long as self lives, and the result borrows self.
            return unsafe _overrideLifetime(Span(_unsafeStart: pointer, count: count), borrowing: self)
        }
    }

    /// The bytes, for writing.
    package var mutableSpan: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            let pointer = unsafe base.assumingMemoryBound(to: UInt8.self)
            // Safe: as for `span`; the result has exclusive access to self.
            return unsafe _overrideLifetime(MutableSpan(_unsafeStart: pointer, count: count), mutating: &self)
        }
    }

    deinit {
        unsafe SecretArena.release(base, count: count)
    }
}
