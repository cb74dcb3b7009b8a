import Glibc
package import NIOCore

/// Empties `buffer`, and overwrites its memory if nobody else holds it: another holder still needs the bytes, and
/// answers for them. A buffer that was shared is left without the shared memory.
package func wipe(_ buffer: inout ByteBuffer) {
    guard buffer.writerIndex > 0 else { return }
    let used = buffer.writerIndex
    // `clear` keeps the memory if it is ours alone and else takes new memory; the address tells which.
    let before = unsafe buffer.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    buffer.clear()
    unsafe buffer.withVeryUnsafeMutableBytes { memory in
        let after = UInt(bitPattern: memory.baseAddress)
        // A slice begins somewhere inside its memory.
        guard let start = memory.baseAddress, before >= after, before - after <= UInt(memory.count) else { return }
        unsafe explicit_bzero(start, min(Int(before - after) + used, memory.count))
    }
}
