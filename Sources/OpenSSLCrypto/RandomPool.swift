internal import SecretMemory

/// Random bytes in small portions: drawn from the library 4 KiB at a time, each byte handed out once and then wiped.
///
/// A block costs little more than a single small draw, so a portion costs nanoseconds. The block is protected memory,
/// which reads as zero in a child process; a marker in it makes such a child draw anew instead of handing out zeros. A
/// generator that fails stops the process: no caller has anything sensible left to do. One thread at a time; the value
/// may move between threads.
package struct RandomPool: ~Copyable, Sendable {
    /// Bytes drawn at a time.
    package static let blockBytes = 4096

    /// The random bytes, and after them one marker byte that is 1.
    private var block: SecretBytes
    private let source: SystemRandom.Source
    /// Index of the first byte not handed out yet.
    private var position = RandomPool.blockBytes

    /// Makes a pool over one of the two generators. Nothing is drawn before the first use.
    package init(_ source: SystemRandom.Source = .hidden) {
        block = SecretBytes(count: Self.blockBytes + 1)
        self.source = source
    }

    /// Fills `bytes`, of any size.
    package mutating func fill(_ bytes: inout MutableSpan<UInt8>) {
        for index in bytes.indices {
            if index == 0 || position == Self.blockBytes { prepare(1) }
            bytes[index] = takeByte()
        }
    }

    /// A random 64-bit number, each equally likely.
    package mutating func next() -> UInt64 {
        prepare(8)
        var number: UInt64 = 0
        for _ in 0..<8 {
            number = number << 8 | UInt64(takeByte())
        }
        return number
    }

    /// A random number below `bound`, each equally likely. `bound` is at least 1.
    ///
    /// Draws again where a plain remainder would favour small numbers (Lemire, "Fast Random Integer Generation in an
    /// Interval", 2019); less than one draw in two is thrown away, and next to none for bounds far below 2^64.
    package mutating func uniform(below bound: UInt64) -> UInt64 {
        precondition(bound > 0, "RandomPool: no number is below 0")
        var (high, low) = next().multipliedFullWidth(by: bound)
        if low < bound {
            // 2^64 modulo bound: how many low values would make some results more likely than others.
            let surplus = (0 &- bound) % bound
            while low < surplus {
                (high, low) = next().multipliedFullWidth(by: bound)
            }
        }
        return high
    }

    private mutating func takeByte() -> UInt8 {
        let index = position
        position += 1
        var bytes = block.mutableSpan
        let byte = bytes[index]
        bytes[index] = 0
        return byte
    }

    /// Draws a block if fewer than `wanted` bytes are left, or if this is a child process that was left only zeros.
    private mutating func prepare(_ wanted: Int) {
        let isWhole = block.span[Self.blockBytes] == 1
        if isWhole && Self.blockBytes - position >= wanted { return }
        let source = source
        position = 0
        var bytes = block.mutableSpan
        do {
            try SystemRandom.fill(&bytes, from: source)
        } catch {
            fatalError("RandomPool: the library has no random bytes: \(error)")
        }
        bytes[Self.blockBytes] = 1
    }
}
