internal import SecretMemory

extension SecureBuffer {
    /// Replaces the contents by what `read` puts into `count` bytes of room, and gives back its result: how many of
    /// them it wrote, or a number below zero, which empties the buffer.
    package mutating func fill(_ count: Int, from read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        // Wiped first: `read` may wait for hours.
        bytes.removeAll()
        bytes.reserveCapacity(count)
        while bytes.count < count { bytes.append(contentsOf: Self.zeros.span.extracting(first: count - bytes.count)) }
        var span = bytes.mutableSpan
        // The memory is lent for the call alone.
        let result = unsafe span.withUnsafeMutableBytes { unsafe read($0) }
        bytes.truncate(to: min(max(result, 0), count))
        return result
    }

    private static let zeros = [UInt8](repeating: 0, count: 64 << 10)

    /// Wipes and drops the first `count` bytes.
    package mutating func removeFirst(_ count: Int) {
        guard count > 0 else { return }
        var span = bytes.mutableSpan
        let rest = span.count - count
        for index in 0..<rest { span[index] = span[index + count] }
        bytes.truncate(to: rest)
    }
}
