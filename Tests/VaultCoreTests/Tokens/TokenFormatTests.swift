import Testing

@testable import VaultCore

@Suite("Token formats")
struct TokenFormatTests {
    private func problems(_ make: () throws(TokenFormatError) -> TokenFormat) -> [TokenFormatError.Problem] {
        do {
            _ = try make()
            return []
        } catch {
            return error.problems
        }
    }

    @Test("the defaults are those of the contract: last4, Luhn-invalid, lead 99, reuse, no end, any purpose")
    func defaults() throws {
        let format = try TokenFormat(name: "cards", id: 1)
        #expect(format.keep == .last4)
        #expect(format.luhn == .invalid)
        #expect(format.lead.text == "99" && format.lead.digits == 2 && format.lead.value == 99)
        #expect(format.reuse == .always)
        #expect(format.ttlSeconds == nil)
        #expect(format.purposes == [])
        #expect(!format.acceptLuhnInvalid)
        #expect(format.allowedLengths == .all)
        #expect(format.notes == [])
    }

    @Test("the words of the configuration are those of the contract, and no others")
    func words() {
        #expect(TokenFormat.Keep.allCases.map(\.rawValue) == ["last4", "bin6+last4", "bin8+last4", "none"])
        #expect(TokenFormat.LuhnRule.allCases.map(\.rawValue) == ["invalid", "valid", "any"])
        #expect(TokenFormat.Reuse.allCases.map(\.rawValue) == ["always", "never"])
        #expect(TokenFormat.Keep(rawValue: "last-4") == nil)
        #expect(TokenFormat.LuhnRule(rawValue: "Valid") == nil)
    }

    @Test(
        "leads that are not up to 15 digits, or begin with 0, are a problem of the key lead",
        arguments: ["0", "09", "9x", "-1", " 9", "9 ", "٩", "9999999999999999", "99\u{0}"])
    func badLead(lead: String) {
        let found = problems { () throws(TokenFormatError) in try TokenFormat(name: "f", id: 1, lead: lead) }
        #expect(found.map(\.key) == ["lead"])
    }

    @Test(
        "a lead beside a kept BIN is a problem, and no default lead applies there",
        arguments: ["bin6+last4", "bin8+last4"])
    func leadBesideBIN(word: String) throws {
        let keep = try #require(TokenFormat.Keep(rawValue: word))
        #expect(
            problems { () throws(TokenFormatError) in try TokenFormat(name: "f", id: 1, keep: keep, lead: "99") }
                .map(\.key) == ["lead"])
        #expect(try TokenFormat(name: "f", id: 1, keep: keep).lead == .empty)
    }

    @Test("all problems are reported at once, each with its key")
    func allAtOnce() {
        let found = problems { () throws(TokenFormatError) in
            try TokenFormat(
                name: "no spaces", id: 0, keep: .bin6Last4, lead: "99", ttlSeconds: 0,
                purposes: ["charge", "re fund", "charge", ""])
        }
        #expect(found.map(\.key) == ["name", "id", "ttl", "purposes", "purposes", "purposes", "lead"])
        #expect(found[3].message == "purpose 2 is not 1 to 64 of a-z A-Z 0-9 . _ -")
        #expect(found[4].message == "purpose charge is listed twice")
    }

    @Test("limits hold on both sides")
    func limits() throws {
        _ = try TokenFormat(name: String(repeating: "a", count: 64), id: .max, ttlSeconds: TokenFormat.ttlSecondsMax)
        #expect(
            !problems { () throws(TokenFormatError) in
                try TokenFormat(name: String(repeating: "a", count: 65), id: 1)
            }.isEmpty)
        #expect(
            !problems { () throws(TokenFormatError) in
                try TokenFormat(name: "a", id: 1, ttlSeconds: TokenFormat.ttlSecondsMax + 1)
            }.isEmpty)
        #expect(
            !problems { () throws(TokenFormatError) in
                try TokenFormat(name: "a", id: 1, purposes: (0...TokenFormat.purposesMax).map { "p\($0)" })
            }.isEmpty)
    }

    @Test("a format that no length is left for is refused with the arithmetic of the largest")
    func nothingLeft() {
        let found = problems { () throws(TokenFormatError) in
            try TokenFormat(name: "long", id: 1, lead: "99999999999")
        }
        #expect(
            found == [
                TokenFormatError.Problem(
                    key: "lead",
                    message:
                        "no card number length is left: format long: 19-digit PANs: keep last4 with lead 99999999999 "
                        + "leaves 4 free digits: 10^4 = 10000 combinations, 9000 of them Luhn-invalid, fewer than 10000"
                )
            ])
    }

    @Test("a Luhn-valid lead under which cards are issued is noted; 99 and Luhn-invalid ones are not")
    func notedLead() throws {
        #expect(
            try TokenFormat(name: "f", id: 1, keep: .none, luhn: .valid, lead: "9").notes
                == ["lead 9 with luhn valid makes tokens that can be card numbers of: troy, mada"])
        #expect(try TokenFormat(name: "f", id: 1, keep: .none, luhn: .valid).notes == [])
        #expect(try TokenFormat(name: "f", id: 1, keep: .none, luhn: .invalid, lead: "4").notes == [])
    }

    @Test("sets of lengths hold exactly 12 to 19")
    func lengthSet() {
        for length in 0...31 { #expect(PANLengths.all.contains(PANLengths(length)) == (12...19).contains(length)) }
    }
}
