import Testing

@testable import VaultCore

@Suite("Brands")
struct BrandTests {
    /// The names of the data set and ours.
    private func wireName(_ name: String) -> String {
        ["american-express": "amex", "diners-club": "diners", "": "unknown"][name] ?? name
    }

    @Test("every published card gets the brand that its issuer range says")
    func publishedCards() throws {
        guard let cards = CardVectors.cards() else { return }
        for card in cards {
            let pan = try PAN(ascii: card.pan.span, acceptLuhnInvalid: true)
            #expect("\(pan.brand.wireName)" == wireName(card.brandByIIN), "BIN \(card.bin6)")
        }
    }

    @Test("the table in the source is the data set, row for row")
    func sourceTable() throws {
        guard let rows = CardVectors.issuerRanges() else { return }
        #expect(rows.count == 185)
        func flat(_ name: String, _ prefixes: [UInt32]) -> [String] {
            stride(from: 0, to: prefixes.count, by: 2).map { "\(name) \(prefixes[$0]) \(prefixes[$0 + 1])" }
        }
        let ours =
            IssuerRangeTable.groups.flatMap { flat("\($0.brand.wireName)", $0.prefixes) }
            + IssuerRangeTable.families.flatMap { flat($0.name, $0.prefixes) }
        #expect(ours == rows.map { "\(wireName($0[0])) \($0[1]) \($0[2])" })
    }

    @Test("the flattened ranges agree with a plain search of the rows at and around every boundary")
    func againstPlainSearch() {
        var probes: Set<UInt32> = [10_000_000, 99_999_999]
        for group in IssuerRangeTable.groups {
            for (index, prefix) in group.prefixes.enumerated() {
                let scale = UInt32(Digits.power(8 - String(prefix).count))
                let edge = (prefix + UInt32(index % 2)) * scale
                probes.formUnion([edge - 1, edge, edge + 1].filter { (10_000_000...99_999_999).contains($0) })
            }
        }
        var random = SeededRandom(5)
        for _ in 0..<20_000 { probes.insert(UInt32.random(in: 10_000_000...99_999_999, using: &random)) }
        for probe in probes {
            #expect(IssuerRanges.brand(ofFirst8: probe) == plainSearch(probe), "\(probe)")
        }
    }

    /// Longest prefix first, then the first row of the table.
    private func plainSearch(_ first8: UInt32) -> Brand {
        var best: (digits: Int, brand: Brand) = (0, .unknown)
        for group in IssuerRangeTable.groups {
            for row in stride(from: 0, to: group.prefixes.count, by: 2) {
                let digits = String(group.prefixes[row]).count
                let head = first8 / UInt32(Digits.power(8 - digits))
                if digits > best.digits, group.prefixes[row] <= head, head <= group.prefixes[row + 1] {
                    best = (digits, group.brand)
                }
            }
        }
        return best.brand
    }

    @Test("no range begins with the default lead, and the lists of names are complete")
    func leads() {
        #expect(IssuerRanges.names(beginningWith: 99) == [])
        #expect(IssuerRanges.names(beginningWith: 9) == ["troy", "mada"])
        #expect(IssuerRanges.names(beginningWith: 4) == ["visa", "maestro", "elo", "naranja"])
        #expect(IssuerRanges.names(beginningWith: 96820912) == ["mada"])
        #expect(IssuerRanges.names(beginningWith: 1).contains("uatp"))
    }

    @Test("raw values, which records may hold, and wire names do not change")
    func stable() {
        #expect(
            Brand.allCases.map { "\($0.rawValue) \($0.wireName)" } == [
                "0 unknown", "1 visa", "2 mastercard", "3 amex", "4 diners", "5 discover", "6 jcb", "7 unionpay",
                "8 maestro", "9 mir", "10 elo", "11 hiper", "12 hipercard", "13 troy", "14 naranja", "15 verve",
            ])
        #expect(Brand.allCases.allSatisfy { $0.wireName.utf8CodeUnitCount <= 15 })
    }
}
