import Glibc

/// Overwrites the bytes of a span with zeros in a way the optimizer may not remove.
///
/// The corresponding C function is `explicit_bzero`.
package func wipe(_ bytes: inout MutableSpan<UInt8>) {
    // Safe: the buffer is used within the closure only, and explicit_bzero writes exactly its length.
    unsafe bytes.withUnsafeMutableBytes { buffer in unsafe wipe(buffer) }
}

/// Overwrites a raw buffer with zeros in a way the optimizer may not remove. An empty buffer is left alone.
///
/// The corresponding C function is `explicit_bzero`.
package func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let base = buffer.baseAddress else { return }
    // Safe: base and count describe one buffer that the caller owns for writing.
    unsafe explicit_bzero(base, buffer.count)
}
