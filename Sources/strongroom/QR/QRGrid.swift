import SecretMemory

/// The modules of a QR code while it is made: what every code of its size has, and the content in between.
struct QRGrid: ~Copyable {
    private let version: QRVersion
    private let side: Int
    /// 1 for dark, row by row.
    private var modules: WipedArray<UInt8>
    /// Modules that are no content: patterns, format and size.
    private var isFixed: [Bool]

    /// The patterns of a size, and the places of its format.
    init(_ version: QRVersion) {
        self.version = version
        side = version.side
        modules = WipedArray(capacity: side * side)
        for _ in 0..<side * side { modules.append(0) }
        isFixed = Array(repeating: false, count: side * side)
        drawTiming()
        for (row, column) in [(3, 3), (3, side - 4), (side - 4, 3)] { drawFinder(row, column) }
        drawAlignment()
        drawFormat(.low, 0)
        drawVersion()
    }

    func isDark(_ row: Int, _ column: Int) -> Bool { modules[row * side + column] == 1 }

    private mutating func fix(_ row: Int, _ column: Int, _ isDark: Bool) {
        modules[row * side + column] = isDark ? 1 : 0
        isFixed[row * side + column] = true
    }

    // MARK: Patterns

    private mutating func drawTiming() {
        for place in 0..<side {
            fix(6, place, place % 2 == 0)
            fix(place, 6, place % 2 == 0)
        }
    }

    /// A square in a corner, and the light line around it.
    private mutating func drawFinder(_ row: Int, _ column: Int) {
        for down in -4...4 {
            for right in -4...4 {
                let (row, column) = (row + down, column + right)
                guard (0..<side).contains(row), (0..<side).contains(column) else { continue }
                let distance = max(abs(down), abs(right))
                fix(row, column, distance != 2 && distance != 4)
            }
        }
    }

    private mutating func drawAlignment() {
        let places = version.alignment
        guard let first = places.first, let last = places.last else { return }
        for row in places {
            for column in places {
                // Corners have finders.
                if (row == first && (column == first || column == last)) || (row == last && column == first) {
                    continue
                }
                for down in -2...2 {
                    for right in -2...2 {
                        fix(row + down, column + right, max(abs(down), abs(right)) != 1)
                    }
                }
            }
        }
    }

    /// Level and mask, twice, and the module that is always dark.
    mutating func drawFormat(_ level: QRLevel, _ mask: Int) {
        let format = QRVersion.format(level, mask: mask)
        func bit(_ index: Int) -> Bool { format >> index & 1 == 1 }
        for index in 0...5 { fix(index, 8, bit(index)) }
        fix(7, 8, bit(6))
        fix(8, 8, bit(7))
        fix(8, 7, bit(8))
        for index in 9..<15 { fix(8, 14 - index, bit(index)) }
        for index in 0..<8 { fix(8, side - 1 - index, bit(index)) }
        for index in 8..<15 { fix(side - 15 + index, 8, bit(index)) }
        fix(side - 8, 8, true)
    }

    private mutating func drawVersion() {
        guard version.number >= 7 else { return }
        for index in 0..<18 {
            let isDark = version.information >> index & 1 == 1
            let (far, near) = (side - 11 + index % 3, index / 3)
            fix(near, far, isDark)
            fix(far, near, isDark)
        }
    }

    // MARK: Content

    /// Lays the codewords out in columns of two, upwards and downwards in turn, from the right.
    mutating func place(_ codewords: borrowing Span<UInt8>) {
        var bit = 0
        var isUpward = true
        var right = side - 1
        while right >= 1 {
            // The column of the timing pattern is passed over.
            if right == 6 { right = 5 }
            for step in 0..<side {
                let row = isUpward ? side - 1 - step : step
                for column in [right, right - 1] where !isFixed[row * side + column] {
                    guard bit < codewords.count * 8 else { continue }
                    modules[row * side + column] = codewords[bit / 8] >> UInt8(7 - bit % 8) & 1
                    bit += 1
                }
            }
            isUpward.toggle()
            right -= 2
        }
    }

    /// Turns the content around where a mask says so (table 10).
    mutating func apply(_ mask: Int) {
        for row in 0..<side {
            for column in 0..<side where !isFixed[row * side + column] && Self.isTurned(mask, row, column) {
                modules[row * side + column] ^= 1
            }
        }
    }

    private static func isTurned(_ mask: Int, _ row: Int, _ column: Int) -> Bool {
        switch mask {
        case 0: (row + column) % 2 == 0
        case 1: row % 2 == 0
        case 2: column % 3 == 0
        case 3: (row + column) % 3 == 0
        case 4: (row / 2 + column / 3) % 2 == 0
        case 5: row * column % 2 + row * column % 3 == 0
        case 6: (row * column % 2 + row * column % 3) % 2 == 0
        default: ((row + column) % 2 + row * column % 3) % 2 == 0
        }
    }

    // MARK: Penalty

    /// How hard it is to read (section 7.8.3): long runs, blocks, what looks like a finder, and too much of one color.
    var penalty: Int {
        var penalty = 0
        var dark = 0
        for row in 0..<side {
            penalty += linePenalty { modules[row * side + $0] }
            penalty += linePenalty { modules[$0 * side + row] }
            for column in 0..<side {
                dark += Int(modules[row * side + column])
                guard row + 1 < side, column + 1 < side else { continue }
                let sum = (0..<4).reduce(0) { $0 + modules[(row + $1 / 2) * side + column + $1 % 2] }
                if sum == 0 || sum == 4 { penalty += 3 }
            }
        }
        let total = side * side
        // Ten for each whole 5 per cent away from a half.
        return penalty + abs(dark * 20 - total * 10) / total * 10
    }

    private func linePenalty(_ module: (Int) -> UInt8) -> Int {
        var penalty = 0
        // Light and dark in turn, beginning and ending with the margin, which is light.
        var runs = WipedArray<UInt8>(capacity: side + 2)
        var isDark = false
        var run: UInt8 = 0
        for place in 0..<side {
            if (module(place) == 1) != isDark {
                runs.append(run)
                isDark.toggle()
                run = 0
            }
            run += 1
            if run == 5 { penalty += 3 } else if run > 5 { penalty += 1 }
        }
        runs.append(run)
        if isDark { runs.append(0) }
        let margin = UInt8(side)
        runs[0] += margin
        runs[runs.count - 1] += margin
        // A finder's 1:1:3:1:1, with four times as much light on either side.
        for start in stride(from: 1, to: runs.count - 5, by: 2) {
            let unit = runs[start]
            guard runs[start + 1] == unit, runs[start + 2] == 3 * unit, runs[start + 3] == unit,
                runs[start + 4] == unit
            else { continue }
            let (before, after) = (runs[start - 1], runs[start + 5])
            if before >= 4 * unit && after >= unit { penalty += 40 }
            if after >= 4 * unit && before >= unit { penalty += 40 }
        }
        return penalty
    }
}
