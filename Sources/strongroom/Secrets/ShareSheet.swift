import SecretMemory
import StrongroomClient
import VaultCore

/// The shares of a set with their custodians, before they are handed out. Whoever holds it holds the root key: its bytes
/// are wiped with it.
///
/// ```
/// ceremony ID THRESHOLD COUNT SETHEX
/// INDEX<TAB>CUSTODIAN<TAB>SHARETEXT
/// ```
struct ShareSheet: ~Copyable {
    /// One line. Its text is in the sheet's bytes.
    struct Entry: Equatable {
        let index: Int
        let custodian: String
        fileprivate let text: Range<Int>
    }

    /// Why bytes are no sheet. Says which line, never what is in it.
    struct Fault: Error, Equatable {
        /// From 1 on.
        let line: Int
    }

    /// Names the ceremony in what follows.
    let ceremony: String
    let threshold: Int
    /// Eight hexadecimal digits.
    let set: String
    let entries: [Entry]
    private let bytes: SecureBuffer

    /// 255 lines with the longest names and texts, and a head.
    static let bytesMax = 64 << 10
    private static let lineBytesMax = 256
    static let nameBytesMax = 64

    var count: Int { entries.count }

    /// Reads a sheet as the vault sends it, every byte of it.
    init(_ bytes: consuming SecureBuffer) throws(Fault) {
        let read = try Self.read(bytes.span)
        (ceremony, threshold, set, entries) = (read.head.ceremony, read.head.threshold, read.head.set, read.entries)
        self.bytes = bytes
    }

    /// Lends the text of a share.
    @_lifetime(borrow self)
    borrowing func text(of entry: Entry) -> Span<UInt8> { bytes.span.extracting(entry.text) }

    /// Whether a text may name a custodian: up to 64 bytes without blanks, controls, commas and colons.
    static func isName(_ name: String) -> Bool {
        (1...nameBytesMax).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { scalar in
                scalar.value > 0x20 && !(0x7F...0xA0).contains(scalar.value) && scalar != "," && scalar != ":"
            }
    }

    // MARK: Reading

    private struct Head {
        let ceremony: String
        let threshold: Int
        let count: Int
        let set: String
        let setID: UInt32
    }

    private static func read(_ bytes: Span<UInt8>) throws(Fault) -> (head: Head, entries: [Entry]) {
        guard bytes.count <= bytesMax else { throw Fault(line: 1) }
        var position = 0
        let head = try head(bytes, try line(bytes, &position, number: 1))
        var entries: [Entry] = []
        for index in 1...head.count {
            let range = try line(bytes, &position, number: index + 1)
            entries.append(try entry(bytes, range, index, head))
        }
        guard position == bytes.count else { throw Fault(line: head.count + 2) }
        return (head, entries)
    }

    /// The bytes up to the next line feed, which is there.
    private static func line(
        _ bytes: Span<UInt8>, _ position: inout Int, number: Int
    ) throws(Fault) -> Range<Int> {
        let start = position
        let end = min(bytes.count, start + lineBytesMax)
        for index in start..<end where bytes[index] == 0x0A {
            position = index + 1
            return start..<index
        }
        throw Fault(line: number)
    }

    /// The ranges between separators, exactly `count`, none of them empty.
    private static func fields(
        _ bytes: Span<UInt8>, _ line: Range<Int>, separator: UInt8, count: Int
    ) -> [Range<Int>]? {
        var fields: [Range<Int>] = []
        var start = line.lowerBound
        for index in line.lowerBound...line.upperBound where index == line.upperBound || bytes[index] == separator {
            guard index > start, fields.count < count else { return nil }
            fields.append(start..<index)
            start = index + 1
        }
        return fields.count == count ? fields : nil
    }

    private static func head(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(Fault) -> Head {
        guard let fields = fields(bytes, line, separator: 0x20, count: 5), fields[1].count <= nameBytesMax,
            let word = text(bytes, fields[0], where: { (0x61...0x7A).contains($0) }), word == "ceremony",
            let ceremony = text(bytes, fields[1], where: { isAlphanumeric($0) || $0 == 0x2D || $0 == 0x5F }),
            let threshold = number(bytes, fields[2]), let count = number(bytes, fields[3]),
            (Shamir.thresholdMin...Shamir.countMax).contains(count), (Shamir.thresholdMin...count).contains(threshold),
            fields[4].count == 8,
            let set = text(bytes, fields[4], where: { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let setID = UInt32(set, radix: 16)
        else { throw Fault(line: 1) }
        return Head(ceremony: ceremony, threshold: threshold, count: count, set: set, setID: setID)
    }

    private static func entry(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ index: Int, _ head: Head
    ) throws(Fault) -> Entry {
        guard let fields = fields(bytes, line, separator: 0x09, count: 3), number(bytes, fields[0]) == index,
            let custodian = name(bytes, fields[1]), fields[2].count <= ShareText.textBytesMax
        else { throw Fault(line: index + 1) }
        // A share that its holder could not enter must not be handed out.
        guard let share = try? ShareText.decode(bytes.extracting(fields[2])), share.setID == head.setID,
            Int(share.threshold) == head.threshold, Int(share.index) == index
        else { throw Fault(line: index + 1) }
        return Entry(index: index, custodian: custodian, text: fields[2])
    }

    /// One to three decimal digits without a leading zero.
    private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        guard (1...3).contains(range.count), bytes[range.lowerBound] != 0x30 else { return nil }
        var value = 0
        for index in range {
            guard (0x30...0x39).contains(bytes[index]) else { return nil }
            value = value * 10 + Int(bytes[index] - 0x30)
        }
        return value
    }

    /// A custodian's name.
    private static func name(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String? {
        var text: [UInt8] = []
        for index in range { text.append(bytes[index]) }
        guard let name = String(validating: text, as: UTF8.self), isName(name) else { return nil }
        return name
    }

    /// ASCII that is not secret.
    private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>, where isFit: (UInt8) -> Bool) -> String? {
        var text = ""
        for index in range {
            guard isFit(bytes[index]) else { return nil }
            text.unicodeScalars.append(Unicode.Scalar(bytes[index]))
        }
        return text
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
