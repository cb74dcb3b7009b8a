import SecretMemory

/// A QR code (ISO/IEC 18004) of up to 271 bytes, in byte mode. What it carries may be a secret, so its modules are wiped.
struct QRCode: ~Copyable {
    let version: QRVersion
    let level: QRLevel
    /// The mask that was chosen, 0 to 7.
    let mask: Int
    private let grid: QRGrid

    /// `nil` for more bytes than fit.
    init?(_ content: borrowing Span<UInt8>) {
        guard let (version, level) = QRVersion.smallest(for: content.count) else { return nil }
        self.init(content, version, level)
    }

    private init(_ content: borrowing Span<UInt8>, _ version: QRVersion, _ level: QRLevel) {
        let data = Self.data(content, version, level)
        let codewords = Self.interleaved(data.span, version, level)
        var grid = QRGrid(version)
        grid.place(codewords.span)
        self.init(version, level, grid)
    }

    private init(_ version: QRVersion, _ level: QRLevel, _ unmasked: consuming QRGrid) {
        var grid = unmasked
        var best = (mask: 0, penalty: Int.max)
        for mask in 0..<8 {
            grid.apply(mask)
            grid.drawFormat(level, mask)
            let penalty = grid.penalty
            if penalty < best.penalty { best = (mask, penalty) }
            // The same mask once more takes it away.
            grid.apply(mask)
        }
        grid.apply(best.mask)
        grid.drawFormat(level, best.mask)
        self.version = version
        self.level = level
        mask = best.mask
        self.grid = grid
    }

    /// Modules a side.
    var side: Int { version.side }

    /// Whether a module is dark; those outside are light.
    func isDark(row: Int, column: Int) -> Bool {
        (0..<side).contains(row) && (0..<side).contains(column) && grid.isDark(row, column)
    }

    /// Mode, size, bytes, and what fills the room that is left.
    private static func data(
        _ content: borrowing Span<UInt8>, _ version: QRVersion, _ level: QRLevel
    ) -> WipedArray<UInt8> {
        let total = version.dataCodewords(level)
        var bits = WipedArray<UInt8>(capacity: total * 8)
        func append(_ value: Int, _ count: Int, _ bits: inout WipedArray<UInt8>) {
            for shift in stride(from: count - 1, through: 0, by: -1) { bits.append(UInt8(value >> shift & 1)) }
        }
        append(0b0100, 4, &bits)
        append(content.count, version.countBits, &bits)
        for index in content.indices { append(Int(content[index]), 8, &bits) }
        append(0, min(4, total * 8 - bits.count), &bits)
        append(0, (8 - bits.count % 8) % 8, &bits)
        var codewords = WipedArray<UInt8>(capacity: total)
        for start in stride(from: 0, to: bits.count, by: 8) {
            codewords.append((0..<8).reduce(0) { $0 << 1 | bits[start + $1] })
        }
        var filler: UInt8 = 0xEC
        while codewords.count < total {
            codewords.append(filler)
            filler ^= 0xEC ^ 0x11
        }
        return codewords
    }

    /// The data in blocks, each with its correction, a codeword of each block in turn.
    private static func interleaved(
        _ data: borrowing Span<UInt8>, _ version: QRVersion, _ level: QRLevel
    ) -> WipedArray<UInt8> {
        let blocks = version.blocks(level)
        let length = data.count / blocks
        // The last blocks are one longer where the data does not divide.
        let firstLong = blocks - data.count % blocks
        func start(_ block: Int) -> Int { block * length + Swift.max(0, block - firstLong) }
        let generator = ReedSolomon.generator(degree: version.correction(level))
        var result = WipedArray<UInt8>(capacity: version.codewords)
        for place in 0...length {
            for block in 0..<blocks where start(block) + place < start(block + 1) {
                result.append(data[start(block) + place])
            }
        }
        var corrections = WipedArray<UInt8>(capacity: blocks * generator.count)
        for block in 0..<blocks {
            let part = data.extracting(start(block)..<start(block + 1))
            let correction = ReedSolomon.remainder(of: part, generator)
            corrections.append(contentsOf: correction.span)
        }
        for place in 0..<generator.count {
            for block in 0..<blocks { result.append(corrections[block * generator.count + place]) }
        }
        return result
    }
}
