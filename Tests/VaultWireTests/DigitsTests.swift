import Testing

@testable import VaultWire

@Suite("Digits")
struct DigitsTests {
    static func decimal(_ value: UInt64, _ length: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, length - text.count)) + text
    }

    @Test("numbers of every length are written and read back exactly", arguments: 1...19)
    func roundTrip(length: Int) {
        var random = SeededRandom(state: UInt64(length))
        let limit = (0..<length).reduce(UInt64(1)) { power, _ in power &* 10 }
        let top = length == 19 ? 9_999_999_999_999_999_999 : limit - 1
        let edges: [UInt64] = [
            0, 1, 9, 10, 99_999_999, 100_000_000, 9_999_999_999_999_999, 10_000_000_000_000_000, top,
        ]
        let values = edges.filter { $0 <= top } + (0..<2_000).map { _ in UInt64.random(in: 0...top, using: &random) }
        for value in values {
            let digits = Digits(value: value, length: UInt8(length))
            let bytes = written(capacity: length) { $0.append(digits) }
            #expect(String(decoding: bytes, as: UTF8.self) == Self.decimal(value, length))
            #expect(Digits(bytes.span) == digits)
        }
    }

    @Test("every four digits come out right in every place")
    func everyFourDigits() {
        for value in UInt64(0)..<10_000 {
            let bytes = written(capacity: 8) { $0.appendDecimal(value * 10_000 + value, length: 8) }
            #expect(String(decoding: bytes, as: UTF8.self) == Self.decimal(value, 4) + Self.decimal(value, 4))
        }
    }

    @Test("a number needs no more digits than it has")
    func natural() {
        for value: UInt64 in [0, 9, 10, 10_000, 9_999_999_999_999_999, 10_000_000_000_000_000, .max] {
            #expect(written(capacity: 20) { $0.appendDecimal(value) } == Array(String(value).utf8))
        }
    }

    @Test("any byte that is no digit, in any place, is refused", arguments: 1...19)
    func notDigits(length: Int) {
        for index in 0..<length {
            for byte in UInt8.min...UInt8.max {
                var text = [UInt8](repeating: 0x35, count: length)
                text[index] = byte
                #expect((Digits(text.span) != nil) == (0x30...0x39).contains(byte))
            }
        }
        #expect(Digits([UInt8]().span) == nil)
        #expect(Digits([UInt8](repeating: 0x31, count: 20).span) == nil)
    }

    @Test("digits do not print themselves")
    func unprintable() {
        let digits = Digits(value: 4_111_111_111_111_111, length: 16)
        var dumped = ""
        dump([digits], to: &dumped)
        for text in ["\(digits)", String(reflecting: digits), "\([digits])", "\(Optional(digits) as Any)", dumped] {
            #expect(!text.contains("4111"), "\(text)")
        }
    }
}
