import Glibc

@testable import VaultCore

/// The published card numbers, the refused inputs and the issuer ranges, read without Foundation.
enum CardVectors {
    /// One published number of `cards.csv`.
    struct Card {
        let pan: [UInt8]
        let passesLuhn: Bool
        let brandByIIN: String
        let bin6: String
        let bin8: String
        let last4: String
    }

    /// One input of `pan_invalid.json`.
    struct Refused {
        let id: String
        let bytes: [UInt8]
        let expect: String
    }

    /// The rows of `cards.csv`, or nil after saying loudly that the file is not there.
    static func cards() -> [Card]? {
        guard let lines = lines(of: "cards.csv") else { return nil }
        return lines.dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            return Card(
                pan: Array(fields[0].utf8), passesLuhn: fields[2] == "pass", brandByIIN: fields[4], bin6: fields[5],
                bin8: fields[6], last4: fields[7])
        }
    }

    /// The cases of `pan_invalid.json`, which has one on a line, or nil after saying loudly that the file is not there.
    static func refused() -> [Refused]? {
        guard let lines = lines(of: "pan_invalid.json") else { return nil }
        return lines.filter { $0.hasPrefix("{\"id\"") }.map { line in
            var bytes = unhex(field("hex", of: line) ?? "")
            if let count = line.after("\"count\":") {
                let repeats = Int(count.prefix { $0.isNumber }) ?? 0
                bytes = [UInt8](repeating: bytes[0], count: repeats)
            }
            return Refused(id: field("id", of: line) ?? "?", bytes: bytes, expect: field("expect", of: line) ?? "?")
        }
    }

    /// The rows of `iin_ranges.csv` as fields, or nil after saying loudly that the file is not there.
    static func issuerRanges() -> [[String]]? {
        lines(of: "iin_ranges.csv")?.dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// The text of a string field of a one-line JSON object without escapes in it.
    private static func field(_ name: String, of line: String) -> String? {
        line.after("\"\(name)\":\"").map { String($0.prefix { $0 != "\"" }) }
    }

    private static func unhex(_ text: String) -> [UInt8] {
        let digits = Array(text)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    /// The lines of a file in the vectors' folder: `STRONGROOM_VECTORS`, else `../shared/vectors` beside the package.
    private static func lines(of name: String) -> [String]? {
        var folders: [String] = []
        if let variable = unsafe getenv("STRONGROOM_VECTORS") { folders.append(unsafe String(cString: variable)) }
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        folders.append(root + "/../shared/vectors")
        for folder in folders {
            if let bytes = contents(of: folder + "/" + name) {
                return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
            }
        }
        print("!!! vectors absent: \(name) is in none of \(folders); this test proved nothing")
        return nil
    }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = unsafe fopen(path, "r") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = unsafe getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return bytes
    }
}

extension String {
    /// What follows the first occurrence of `text`.
    fileprivate func after(_ text: String) -> Substring? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(text) { return rest.dropFirst(text.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}

/// A small seeded generator, so that every run draws the same numbers: xorshift64*.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// Luhn the slow way, from the definition, digit by digit from the right.
func passesLuhnByDefinition(_ number: UInt64) -> Bool {
    var (rest, sum, isDoubled) = (number, UInt64(0), false)
    while rest > 0 {
        let counted = isDoubled ? rest % 10 * 2 : rest % 10
        sum += counted > 9 ? counted - 9 : counted
        rest /= 10
        isDoubled.toggle()
    }
    return sum % 10 == 0
}

/// The card number of these digits, taken without a Luhn check; nil when refused.
func panForTest(_ digits: [UInt8]) -> PAN? {
    try? PAN(ascii: digits.span, acceptLuhnInvalid: true)
}

/// The bytes that a writer appends.
func appended(_ write: (inout OutputRawSpan) -> Void) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
        var span = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(buffer), initializedCount: 0)
        write(&span)
        count = unsafe span.finalize(for: UnsafeMutableRawBufferPointer(buffer))
    }
}
