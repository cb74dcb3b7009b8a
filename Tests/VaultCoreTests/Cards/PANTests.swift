import Testing

@testable import VaultCore

@Suite("Card numbers")
struct PANTests {
    @Test("every published card is read, and its Luhn flag, BIN, last four and digits come back")
    func publishedCards() throws {
        guard let cards = CardVectors.cards() else { return }
        #expect(cards.count == 284)
        for card in cards {
            if card.passesLuhn {
                _ = try PAN(ascii: card.pan.span)
            } else {
                #expect(throws: PANError.luhn) { try PAN(ascii: card.pan.span) }
            }
            let pan = try PAN(ascii: card.pan.span, acceptLuhnInvalid: true)
            #expect(pan.passesLuhn == card.passesLuhn)
            #expect(Int(pan.length) == card.pan.count)
            #expect(appended { pan.append(to: &$0) } == card.pan)
            #expect(appended { pan.appendLast4(to: &$0) } == Array(card.last4.utf8))
            let bin = pan.length >= 16 ? card.bin8 : String(card.bin6.prefix(pan.binLength))
            #expect(appended { pan.appendBIN(to: &$0) } == Array(bin.utf8))
            #expect(String(pan.leadingDigits(8)) == card.bin8)
        }
    }

    @Test("every input that must not be a PAN is refused")
    func refusedInputs() throws {
        guard let cases = CardVectors.refused() else { return }
        #expect(cases.count == 112)
        var refused = 0
        for input in cases {
            let pan = try? PAN(ascii: input.bytes.span)
            if input.expect == "reject" {
                #expect(pan == nil, "\(input.id)")
                refused += 1
            } else {
                // A number with a Luhn blind spot and a repeated digit: right in length and check digit.
                #expect(pan != nil, "\(input.id)")
            }
        }
        #expect(refused == 110)
    }

    @Test("without the Luhn check only wrong check digits get through, of all inputs that must not be a PAN")
    func refusedWithoutLuhn() throws {
        guard let cases = CardVectors.refused() else { return }
        for input in cases where panForTest(input.bytes) != nil {
            #expect(input.bytes.allSatisfy { (0x30...0x39).contains($0) })
            #expect((12...19).contains(input.bytes.count))
            #expect(input.bytes.first != 0x30)
        }
    }

    @Test("every length from 0 to 40 digits is judged, and only 12 to 19 are read", arguments: 0...40)
    func lengths(count: Int) throws {
        let digits = [UInt8](repeating: 0x39, count: count)
        if (12...19).contains(count) {
            #expect(panForTest(digits)?.value == (0..<count).reduce(UInt64(0)) { value, _ in value * 10 + 9 })
        } else {
            #expect(throws: PANError.length) { try PAN(ascii: digits.span, acceptLuhnInvalid: true) }
        }
    }

    @Test("a byte that is not a digit is refused at every place, for every byte and length", arguments: 12...19)
    func everyByteAtEveryPlace(count: Int) {
        let digits = [UInt8](repeating: 0x34, count: count)
        for place in 0..<count {
            for byte in UInt8.min...UInt8.max {
                var changed = digits
                changed[place] = byte
                let isDigit = (0x30...0x39).contains(byte)
                let accepted = isDigit && !(place == 0 && byte == 0x30)
                #expect((panForTest(changed) != nil) == accepted, "place \(place) byte \(byte)")
            }
        }
    }

    @Test("value, Luhn sum and written digits agree with the definition on random numbers", arguments: 12...19)
    func againstDefinition(count: Int) throws {
        var random = SeededRandom(UInt64(count))
        for _ in 0..<20_000 {
            var digits = (0..<count).map { _ in UInt8.random(in: 0x30...0x39, using: &random) }
            digits[0] = UInt8.random(in: 0x31...0x39, using: &random)
            let pan = try PAN(ascii: digits.span, acceptLuhnInvalid: true)
            let value = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) }
            var written = [UInt8](repeating: 0xAA, count: 24)
            var span = written.mutableSpan
            let length = pan.write(into: &span)
            guard pan.value == value, pan.passesLuhn == passesLuhnByDefinition(value), length == count,
                Array(written[..<count]) == digits, written[count...].allSatisfy({ $0 == 0xAA }),
                appended({ pan.append(to: &$0) }) == digits
            else {
                Issue.record("a \(count)-digit number is handled wrongly")
                return
            }
        }
    }

    @Test("of the ten check digits exactly one is accepted")
    func checkDigit() {
        var random = SeededRandom(77)
        for _ in 0..<1_000 {
            let count = Int.random(in: 12...19, using: &random)
            var digits = (0..<count).map { _ in UInt8.random(in: 0x31...0x39, using: &random) }
            let accepted = (UInt8(0x30)...0x39).filter { last in
                digits[count - 1] = last
                return (try? PAN(ascii: digits.span)) != nil
            }
            #expect(accepted.count == 1)
        }
    }

    @Test("a leading zero is refused as such, also without the Luhn check", arguments: 12...19)
    func leadingZero(count: Int) {
        let zeros = [UInt8](repeating: 0x30, count: count)
        #expect(throws: PANError.leadingZero) { try PAN(ascii: zeros.span, acceptLuhnInvalid: true) }
        #expect(throws: PANError.leadingZero) { try PAN(ascii: ([0x30] + zeros.dropFirst().map { $0 + 4 }).span) }
    }

    @Test("at least four digits stay hidden between BIN and last four", arguments: 12...19)
    func hiddenDigits(count: Int) throws {
        let pan = try #require(panForTest([UInt8](repeating: 0x37, count: count)))
        let expected = [12: 4, 13: 5, 14: 6, 15: 6][count] ?? 8
        #expect(pan.binLength == expected)
        #expect(count - pan.binLength - 4 >= (count == 15 ? 5 : 4))
        #expect(appended { pan.appendBIN(to: &$0) } == [UInt8](repeating: 0x37, count: expected))
    }

    @Test("a record's value and length are taken only when they fit each other")
    func restored() {
        #expect(PAN(value: 4_111_111_111_111_111, length: 16)?.passesLuhn == true)
        #expect(PAN(value: 4_111_111_111_111_111, length: 15) == nil)
        #expect(PAN(value: 4_111_111_111_111_111, length: 17) == nil)
        #expect(PAN(value: 99_999_999_999, length: 11) == nil)
        #expect(PAN(value: 9_999_999_999_999_999_999, length: 19) != nil)
        #expect(PAN(value: 10_000_000_000_000_000_000, length: 20) == nil)
        #expect(PAN(value: 0, length: 12) == nil)
        #expect(PAN(value: .max, length: 19) == nil)
    }

    @Test("no way of printing a PAN shows a digit")
    func redaction() throws {
        let pan = try PAN(ascii: Array("4111111111111111".utf8).span)
        var dumped = ""
        dump(pan, to: &dumped)
        var dumpedInside = ""
        dump([Optional(pan)], to: &dumpedInside)
        let texts = [
            "\(pan)", String(describing: pan), String(reflecting: pan), "\([pan])", "\(Optional(pan) as Any)", dumped,
            dumpedInside, "\((1, pan))", "\(Mirror(reflecting: pan).children.map { "\($0)" })",
        ]
        for text in texts {
            #expect(!text.contains("411"), "\(text)")
            #expect(!text.contains("16"), "\(text)")
        }
        #expect("\(pan)" == "PAN(redacted)")
        #expect(Mirror(reflecting: pan).children.isEmpty)
    }

    @Test("digit counts are right at every power of ten")
    func digitCounts() {
        #expect(Digits.count(of: 0) == 1)
        for exponent in 0...19 {
            let power = Digits.power(exponent)
            #expect(Digits.count(of: power) == exponent + 1)
            if exponent > 0 { #expect(Digits.count(of: power - 1) == exponent) }
        }
        #expect(Digits.count(of: .max) == 20)
    }
}
