/// How much a code stands: about 7 or 15 per cent of it may be unreadable.
enum QRLevel: Int, CaseIterable {
    case low, medium

    /// The two bits of the format information (ISO/IEC 18004, table 12).
    var bits: Int { self == .low ? 1 : 0 }
}

/// One size of a QR code, 1 to 10, and how its codewords are laid out (ISO/IEC 18004, table 9).
struct QRVersion: Equatable {
    /// Largest size that is made: 57 modules a side, 271 bytes.
    static let max = 10

    let number: Int

    /// Modules a side.
    var side: Int { 17 + 4 * number }

    /// All codewords, those for correction included.
    var codewords: Int { [26, 44, 70, 100, 134, 172, 196, 242, 292, 346][number - 1] }

    /// Blocks that are corrected by themselves.
    func blocks(_ level: QRLevel) -> Int {
        [[1, 1, 1, 1, 1, 2, 2, 2, 2, 4], [1, 1, 1, 2, 2, 4, 4, 4, 5, 5]][level.rawValue][number - 1]
    }

    /// Codewords for correction in each block.
    func correction(_ level: QRLevel) -> Int {
        [[7, 10, 15, 20, 26, 18, 20, 24, 30, 18], [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]][level.rawValue][number - 1]
    }

    func dataCodewords(_ level: QRLevel) -> Int { codewords - blocks(level) * correction(level) }

    /// Bits of the number of bytes in byte mode.
    var countBits: Int { number < 10 ? 8 : 16 }

    /// Bytes that fit in byte mode.
    func capacity(_ level: QRLevel) -> Int { (dataCodewords(level) * 8 - 4 - countBits) / 8 }

    /// Rows and columns of the centers of alignment patterns.
    var alignment: [Int] {
        [
            [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50],
        ][number - 1]
    }

    /// The 18 bits that large codes say their size with (annex D).
    var information: Int { number << 12 | Self.remainder(number, bits: 12, polynomial: 0x1F25) }

    /// The 15 bits that say level and mask (annex C).
    static func format(_ level: QRLevel, mask: Int) -> Int {
        let data = level.bits << 3 | mask
        return (data << 10 | remainder(data, bits: 10, polynomial: 0x537)) ^ 0x5412
    }

    /// The remainder of a polynomial over GF(2), shifted by `bits`.
    private static func remainder(_ value: Int, bits: Int, polynomial: Int) -> Int {
        var rest = value
        for _ in 0..<bits { rest = rest << 1 ^ (rest >> (bits - 1)) * polynomial }
        return rest
    }

    /// The smallest size that takes so many bytes, and the best level that it takes them with; `nil` where none does.
    static func smallest(for bytes: Int) -> (QRVersion, QRLevel)? {
        for number in 1...max {
            let version = QRVersion(number: number)
            guard bytes <= version.capacity(.low) else { continue }
            return (version, bytes <= version.capacity(.medium) ? .medium : .low)
        }
        return nil
    }
}
