@testable import strongroom

/// Reads a perfect QR code, from the standard and not from the encoder: format, mask, codewords, correction, bytes.
struct QRReader {
    let modules: [[Bool]]
    let level: QRLevel
    let mask: Int
    /// Codewords of each block, data and then correction.
    private(set) var blocks: [[UInt8]] = []
    let correction: Int

    init?(_ modules: [[Bool]]) {
        self.modules = modules
        let side = modules.count
        guard side >= 21, side % 4 == 1 else { return nil }
        // Both copies of the format, most significant bit first.
        let first =
            (0...5).map { modules[8][$0] } + [modules[8][7], modules[8][8], modules[7][8]]
            + (0...5).reversed().map { modules[$0][8] }
        let second = (0..<7).map { modules[side - 1 - $0][8] } + (0..<8).map { modules[8][side - 8 + $0] }
        guard first == second else { return nil }
        let text = String(first.map { $0 ? "1" : "0" })
        guard let place = Self.formats.firstIndex(of: text) else { return nil }
        level = place < 8 ? .low : .medium
        mask = place % 8
        let version = (side - 17) / 4
        let table = Self.layouts[version - 1][level == .low ? 0 : 1]
        correction = table.correction
        let sizes = table.data
        let codewords = Self.codewords(modules, mask, version)
        guard codewords.count == sizes.reduce(0, +) + sizes.count * correction else { return nil }
        var rest = codewords[...]
        blocks = sizes.map { _ in [] }
        for place in 0..<(sizes.max() ?? 0) {
            for (block, size) in sizes.enumerated() where place < size { blocks[block].append(rest.removeFirst()) }
        }
        for _ in 0..<correction { for block in sizes.indices { blocks[block].append(rest.removeFirst()) } }
    }

    /// The bytes in it; `nil` where any block is not a word of its Reed-Solomon code.
    var content: [UInt8]? {
        guard blocks.allSatisfy(isSound) else { return nil }
        let data = blocks.flatMap { $0.dropLast(correction) }
        let bits = data.flatMap { byte in (0..<8).map { byte >> UInt8(7 - $0) & 1 } }
        func number(_ range: Range<Int>) -> Int { bits[range].reduce(0) { $0 << 1 | Int($1) } }
        let size = modules.count < 57 ? 8 : 16
        guard number(0..<4) == 4 else { return nil }
        let count = number(4..<4 + size)
        return (0..<count).map { UInt8(number(4 + size + $0 * 8..<4 + size + $0 * 8 + 8)) }
    }

    /// Whether the block, as a polynomial, is zero at every power of 2 up to the size of its correction.
    func isSound(_ block: [UInt8]) -> Bool {
        (0..<correction).allSatisfy { power in
            var sum = 0
            for (place, codeword) in block.enumerated() where codeword != 0 {
                sum ^= Self.powers[(Self.logarithm(codeword) + power * (block.count - 1 - place)) % 255]
            }
            return sum == 0
        }
    }

    private static let powers: [Int] = (0..<255).reduce(into: []) { powers, _ in
        let next = powers.isEmpty ? 1 : powers[powers.count - 1] * 2
        powers.append(next > 255 ? next ^ 285 : next)
    }

    private static func logarithm(_ value: UInt8) -> Int { powers.firstIndex(of: Int(value)) ?? 0 }

    private static func codewords(_ modules: [[Bool]], _ mask: Int, _ version: Int) -> [UInt8] {
        let side = modules.count
        var bits: [Bool] = []
        var columns = Array(stride(from: side - 1, to: 6, by: -2)) + [5, 3, 1]
        var isUpward = true
        while let right = columns.first {
            columns.removeFirst()
            for row in isUpward ? Array((0..<side).reversed()) : Array(0..<side) {
                for column in [right, right - 1] where !isPattern(row, column, side, version) {
                    bits.append(modules[row][column] != turns(mask, row, column))
                }
            }
            isUpward.toggle()
        }
        return (0..<bits.count / 8).map { byte in bits[byte * 8..<byte * 8 + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) } }
    }

    private static func isPattern(_ row: Int, _ column: Int, _ side: Int, _ version: Int) -> Bool {
        if row == 6 || column == 6 { return true }
        if row < 9 && (column < 9 || column >= side - 8) || row >= side - 8 && column < 9 { return true }
        if version >= 7 && (row < 6 && column >= side - 11 || column < 6 && row >= side - 11) { return true }
        let centers: [[Int]] = [
            [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50],
        ]
        for center in centers[version - 1] {
            for other in centers[version - 1] where abs(row - center) <= 2 && abs(column - other) <= 2 {
                let isFinder =
                    (center == 6 && other == 6) || (center == 6 && other == side - 7)
                    || (center == side - 7 && other == 6)
                if !isFinder { return true }
            }
        }
        return false
    }

    private static func turns(_ mask: Int, _ i: Int, _ j: Int) -> Bool {
        let rules = [
            (i + j) % 2, i % 2, j % 3, (i + j) % 3, (i / 2 + j / 3) % 2, (i * j) % 2 + (i * j) % 3,
            ((i * j) % 2 + (i * j) % 3) % 2, ((i + j) % 2 + (i * j) % 3) % 2,
        ]
        return rules[mask] == 0
    }

    /// ISO/IEC 18004, table C.1: level L with masks 0 to 7, then level M.
    static let formats = [
        "111011111000100", "111001011110011", "111110110101010", "111100010011101", "110011000101111",
        "110001100011000", "110110001000001", "110100101110110", "101010000010010", "101000100100101",
        "101111001111100", "101101101001011", "100010111111001", "100000011001110", "100111110010111",
        "100101010100000",
    ]

    /// Table 9, sizes 1 to 10: data codewords of each block at L and M, and how many correct them.
    private static let layouts: [[(data: [Int], correction: Int)]] = [
        [([19], 7), ([16], 10)], [([34], 10), ([28], 16)], [([55], 15), ([44], 26)], [([80], 20), ([32, 32], 18)],
        [([108], 26), ([43, 43], 24)], [([68, 68], 18), ([27, 27, 27, 27], 16)],
        [([78, 78], 20), ([31, 31, 31, 31], 18)], [([97, 97], 24), ([38, 38, 39, 39], 22)],
        [([116, 116], 30), ([36, 36, 36, 37, 37], 22)], [([68, 68, 69, 69], 18), ([43, 43, 43, 43, 44], 26)],
    ]
}
