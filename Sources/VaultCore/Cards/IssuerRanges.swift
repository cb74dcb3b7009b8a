/// Which issuer range a number's leading digits fall in: the longest matching prefix decides, then the table's order.
///
/// The rows of `IssuerRangeTable` overlap (`6` is Maestro, `65` Discover, `650031` Elo). They are laid flat once, at first
/// use, into some 290 neighbouring intervals over the 100 million 8-digit prefixes; a lookup is a binary search of nine
/// steps without an unpredictable branch. Thread rule: immutable after first use, any thread.
package enum IssuerRanges {
    /// The brand whose range the first eight digits of a card number fall in, or `.unknown`.
    package static func brand(ofFirst8 first8: UInt32) -> Brand {
        flat.brand(of: first8)
    }

    /// The brands and card families that have numbers beginning with these digits, or with digits that begin like them.
    ///
    /// Used to warn of token leads that make tokens look like real cards. `digits` is 1 to 8 decimal digits as a number
    /// that does not begin with 0; the answer names each once, in the order of the table.
    package static func names(beginningWith digits: UInt32) -> [String] {
        let wanted = first8Range(digits, digits)
        var names: [String] = []
        func note(_ name: String, _ prefixes: [UInt32]) {
            for row in stride(from: 0, to: prefixes.count, by: 2)
            where first8Range(prefixes[row], prefixes[row + 1]).overlaps(wanted) && !names.contains(name) {
                names.append(name)
            }
        }
        for group in IssuerRangeTable.groups { note("\(group.brand.wireName)", group.prefixes) }
        for family in IssuerRangeTable.families { note(family.name, family.prefixes) }
        return names
    }

    private static let flat = FlatRanges(IssuerRangeTable.groups)

    /// All 8-digit prefixes that begin with a prefix from `low` to `high`.
    fileprivate static func first8Range(_ low: UInt32, _ high: UInt32) -> Range<UInt32> {
        let scale = UInt32(Digits.power(8 - Digits.count(of: UInt64(low))))
        return low * scale..<(high + 1) * scale
    }
}

/// Neighbouring intervals of 8-digit prefixes, each with one brand.
private struct FlatRanges: Sendable {
    /// The first 8-digit prefix of every interval, ascending, the first being 0; padded to a power of two with the
    /// highest value so that the search needs no bounds of its own.
    private let starts: [UInt32]
    /// The brand of every interval, padded alike.
    private let brands: [Brand]

    /// One row of the table, as 8-digit prefixes.
    private struct Row {
        let range: Range<UInt32>
        let digits: Int
        let order: Int
        let brand: Brand
    }

    init(_ groups: [IssuerRangeTable.Group]) {
        var rows: [Row] = []
        var bounds: Set<UInt32> = [0]
        for group in groups {
            for row in stride(from: 0, to: group.prefixes.count, by: 2) {
                let range = IssuerRanges.first8Range(group.prefixes[row], group.prefixes[row + 1])
                let digits = Digits.count(of: UInt64(group.prefixes[row]))
                rows.append(Row(range: range, digits: digits, order: rows.count, brand: group.brand))
                bounds.formUnion([range.lowerBound, range.upperBound])
            }
        }
        // Longest prefix first, then the table's order.
        rows.sort { ($1.digits, $0.order) < ($0.digits, $1.order) }
        var starts: [UInt32] = []
        var brands: [Brand] = []
        for start in bounds.sorted() {
            let brand = rows.first { $0.range.contains(start) }?.brand ?? .unknown
            if brand != brands.last {
                starts.append(start)
                brands.append(brand)
            }
        }
        while starts.count.nonzeroBitCount != 1 {
            starts.append(.max)
            brands.append(.unknown)
        }
        self.starts = starts
        self.brands = brands
    }

    @inline(__always)
    func brand(of first8: UInt32) -> Brand {
        var base = 0
        var step = starts.count >> 1
        while step > 0 {
            base += starts[base + step] <= first8 ? step : 0
            step >>= 1
        }
        return brands[base]
    }
}
