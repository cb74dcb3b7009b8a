import Testing

@testable import VaultCore

@Suite("Card expiry")
struct CardExpiryTests {
    private func parse(_ text: String) -> CardExpiry? { try? CardExpiry(ascii: Array(text.utf8).span) }

    @Test("every month from 2000 to 2099 is read, packed, restored and written")
    func roundTrip() throws {
        var packed: UInt16 = 0
        for year in 2000...2099 {
            for month in 1...12 {
                packed += 1
                let text = "\(year)-\(month < 10 ? "0" : "")\(month)"
                let expiry = try #require(parse(text))
                #expect(expiry.packed == packed)
                #expect(expiry.year == year && expiry.month == month)
                #expect(CardExpiry(packed: packed) == expiry)
                #expect(appended { expiry.append(to: &$0) } == Array(text.utf8))
            }
        }
        #expect(packed == 1_200)
        #expect(CardExpiry(packed: 0) == nil)
        #expect(CardExpiry(packed: 1_201) == nil)
    }

    @Test(
        "anything but YYYY-MM in this century is refused",
        arguments: [
            "", "2028", "2028-", "2028-5", "2028-00", "2028-13", "2028-99", "1999-12", "2100-01", "0000-01", "2028/05",
            "2028-05 ", " 2028-05", "2028-05-01", "28-05", "05/28", "202805", "+028-05", "2028-+5", "2028--5",
            "2028-0x",
            "２０28-05", "2028-٠٥", "2028\u{0}05", "2028-05\n", "-202-05",
        ])
    func refused(text: String) {
        #expect(parse(text) == nil)
    }

    @Test("every other byte at every place is refused")
    func everyByte() {
        let good = Array("2028-05".utf8)
        for place in good.indices {
            for byte in UInt8.min...UInt8.max where !(0x30...0x39).contains(byte) && byte != good[place] {
                var changed = good
                changed[place] = byte
                #expect(throws: CardExpiryError.invalid) { try CardExpiry(ascii: changed.span) }
            }
        }
    }

    @Test(
        "a card is past when its month is over in UTC, not before",
        arguments: [
            // The first second of the following month, from `date -u -d ... +%s`.
            ("2000-01", Int64(949_363_200)), ("2000-02", 951_868_800), ("2024-02", 1_709_251_200),
            ("2026-11", 1_796_083_200), ("2026-12", 1_798_761_600), ("2028-02", 1_835_481_600),
            ("2099-12", 4_102_444_800),
        ])
    func past(text: String, firstSecondAfter: Int64) throws {
        let expiry = try #require(parse(text))
        #expect(!expiry.isPast(atUnixSeconds: firstSecondAfter - 1))
        #expect(expiry.isPast(atUnixSeconds: firstSecondAfter))
        #expect(!expiry.isPast(atUnixSeconds: 0))
        #expect(!expiry.isPast(atUnixSeconds: -1))
        #expect(!expiry.isPast(atUnixSeconds: -62_135_596_800))
    }

    @Test("earlier months sort first")
    func order() throws {
        #expect(try #require(parse("2027-12")) < #require(parse("2028-01")))
    }
}
