import Testing

@testable import VaultWire

@Suite("JSON reader")
struct JSONReaderTests {
    /// The text of a one-string document, or the fault.
    func string(_ document: [UInt8]) -> Result<[UInt8], JSONFault> {
        var copy = document
        var range = ByteRange(offset: 0, count: 0)
        do throws(JSONFault) {
            var reader = JSONReader(copy.mutableSpan)
            range = try reader.string()
            try reader.end()
        } catch {
            return .failure(error)
        }
        return .success(Array(copy[range.positions]))
    }

    @Test(
        "escapes are undone in place",
        arguments: [
            (#""""#, ""), (#""a\"b""#, "a\"b"), (#""\\\/\b\f\n\r\t""#, "\\/\u{8}\u{C}\n\r\t"),
            (#""\u0041\u00e9\u20AC""#, "Aé€"),
            (#""\uD83D\uDE00!""#, "😀!"), (#""\u0000""#, "\0"), (#""é€😀\n""#, "é€😀\n"), (#" "x" "#, "x"),
            (#""\uDBFF\uDFFF""#, "\u{10FFFF}"), (#""\u0034111""#, "4111"),
        ])
    func unescape(document: String, expected: String) {
        #expect(string(Array(document.utf8)) == .success(Array(expected.utf8)))
    }

    @Test(
        "strings that are not well formed are refused",
        arguments: [
            #"""#, #""abc"#, #""\"#, #""\x""#, #""\u12""#, #""\u12G4""#, #""\uD800""#, #""\uD800x""#, #""\uD800\n""#,
            #""\uD800\u0041""#, #""\uDC00""#, #""\uD83D\uD83D""#, "\"a\nb\"", "\"a\0b\"", "\"\u{1F}\"", #""\U0041""#,
            #""a"x"#,
        ])
    func badStrings(document: String) {
        #expect(string(Array(document.utf8)) == .failure(.syntax))
    }

    @Test("every two, three and four byte sequence is taken exactly when the Unicode table has it")
    func utf8() {
        var sequences: [[UInt8]] = []
        for first in UInt8(0x80)...0xFF {
            for second in stride(from: UInt8(0x00), through: 0xF0, by: 0x10) {
                sequences.append([first, second])
                for third: UInt8 in [0x7F, 0x80, 0xBF, 0xC0] {
                    sequences.append([first, second, third])
                    sequences.append([first, second | 0x0F, third])
                    for fourth: UInt8 in [0x7F, 0x80, 0xBF, 0xC0] {
                        sequences.append([first, second | 0x0F, third, fourth])
                    }
                }
            }
        }
        for sequence in sequences where !sequence.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }) {
            let result = string([0x22] + sequence + [0x22])
            let isValid = String(validating: sequence, as: UTF8.self) != nil
            #expect(result == (isValid ? .success(sequence) : .failure(.syntax)), "\(sequence)")
        }
    }

    @Test("every scalar comes through as an escape and as itself")
    func scalars() {
        for value in stride(from: UInt32(0), through: 0x10FFFF, by: 97) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let expected = Array(String(scalar).utf8)
            var escaped = "\""
            for unit in String(scalar).utf16 {
                let hex = String(unit, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            }
            #expect(string(Array((escaped + "\"").utf8)) == .success(expected))
            if value >= 0x80 { #expect(string([0x22] + expected + [0x22]) == .success(expected)) }
        }
    }

    func integer(_ document: String) -> Result<UInt64, JSONFault> {
        var copy = Array(document.utf8)
        do throws(JSONFault) {
            var reader = JSONReader(copy.mutableSpan)
            let value = try reader.unsignedInteger()
            try reader.end()
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    @Test("whole numbers are exact up to 2^64 - 1, and anything else is refused, never rounded")
    func integers() {
        #expect(integer("0") == .success(0))
        #expect(integer(" 31536000 ") == .success(31_536_000))
        #expect(integer("18446744073709551615") == .success(.max))
        for shape in [
            "18446744073709551616", "99999999999999999999999", "-1", "-0", "1.0", "1e3", "\"1\"", "null", "[1]",
        ] {
            #expect(integer(shape) == .failure(.shape), "\(shape)")
        }
        for syntax in ["01", "1.", "1e", "1 2", "-", "1x", "0x10"] {
            #expect(integer(syntax) == .failure(.syntax), "\(syntax)")
        }
        #expect(integer("+1") == .failure(.shape))
    }

    @Test("a number may have 128 bytes and not one more")
    func numberLimit() {
        let longest = String(repeating: "1", count: Limits.jsonNumberBytesMax)
        #expect(verdict(longest) == .accepted)
        #expect(verdict(longest + "1") == .rejected)
    }

    @Test("skipped values may nest 16 levels deep and not one more", arguments: [("[", "]"), (#"{"a":"#, "}")])
    func depthLimit(open: String, close: String) {
        func nested(_ depth: Int, inner: String) -> String {
            String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
        }
        #expect(verdict(nested(Limits.jsonDepthMax, inner: "1")) == .accepted)
        #expect(verdict(nested(Limits.jsonDepthMax + 1, inner: "1")) == .rejected)
        #expect(verdict(nested(Limits.jsonDepthMax - 1, inner: "[]")) == .accepted)
        #expect(verdict(nested(Limits.jsonDepthMax, inner: "[]")) == .rejected)
        #expect(verdict(nested(Limits.jsonDepthMax, inner: "{}")) == .rejected)
    }

    @Test("levels of different kinds close in order only")
    func mixedLevels() {
        #expect(verdict(#"[{"a":[{"b":[]},{}]},[[],{}]]"#) == .accepted)
        #expect(verdict(#"[{"a":[}]]"#) == .rejected)
        #expect(verdict(#"{"a":[1}]"#) == .rejected)
        #expect(verdict("[1,]") == .rejected)
        #expect(verdict(#"{"a":1,}"#) == .rejected)
        #expect(verdict(#"{,"a":1}"#) == .rejected)
        #expect(verdict(#"{"a" 1}"#) == .rejected)
        #expect(verdict("\u{FEFF}{}") == .rejected)
        #expect(verdict("") == .rejected)
        #expect(verdict("{} {}") == .rejected)
        #expect(verdict("nul") == .rejected)
    }

    @Test("a document above the ceiling is refused without being looked at")
    func ceiling() {
        var document = [UInt8](repeating: 0x20, count: Limits.bodyBytesCeiling + 1)
        document[0] = UInt8(ascii: "1")
        #expect(verdict(document) == .rejected)
    }
}
