import SecretMemory
import Testing

@testable import VaultCore

@Suite("Share text")
struct ShareTextTests {
    private let sample = ShareContent()

    /// What the same script in another language writes for these shares.
    private static let known: [(ShareContent, String)] = [
        (
            ShareContent(),
            "sr-1a2b3c4d-2:04D2P-F2D0C-10008-20C20-A1G71-04GM2-RC1M7-0Y40H-289H8-58P2W-C1J6G-V3GEH-W7R44-132E"
        ),
        (
            ShareContent(setID: .max, threshold: 255, index: 255, bytes: [UInt8](repeating: 255, count: 32)),
            "sr-ffffffff-255:07ZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZSSQ-WVWT"
        ),
        (
            ShareContent(setID: 0, threshold: 2, index: 10, bytes: [UInt8](repeating: 0, count: 32)),
            "sr-00000000-10:04000-00008-50000-00000-00000-00000-00000-00000-00000-00000-00000-00000-007M5-VKBR"
        ),
    ]

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A text without what a reader may ignore: case, separators and look-alikes.
    private func canonical(_ text: [UInt8]) -> [UInt8] {
        String(decoding: text, as: UTF8.self).uppercased().utf8.compactMap { byte in
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): nil
            case UInt8(ascii: "I"), UInt8(ascii: "L"): UInt8(ascii: "1")
            case UInt8(ascii: "O"): UInt8(ascii: "0")
            default: byte
            }
        }
    }

    @Test("shares are written as computed elsewhere, and read back", arguments: known)
    func knownTexts(content: ShareContent, expected: String) throws {
        #expect(try content.text == text(expected))
        #expect(ShareContent.read(text(expected)) == .success(content))
    }

    @Test("the alphabet is 32 different characters without I, L, O and U, and each reads back in either case")
    func alphabet() {
        let symbols = (UInt8(0)..<32).map { Base32.symbol($0) }
        #expect(String(decoding: symbols, as: UTF8.self) == "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        var values: [UInt8: UInt8] = [:]
        for (value, symbol) in symbols.enumerated() {
            values[symbol] = UInt8(value)
            values[Character(UnicodeScalar(symbol)).lowercased().utf8.first ?? 0] = UInt8(value)
        }
        for alike in "ILil".utf8 { values[alike] = 1 }
        for alike in "Oo".utf8 { values[alike] = 0 }
        for byte in UInt8.min...UInt8.max { #expect(Base32.value(byte) == values[byte]) }
    }

    @Test("random shares are read back as they were written")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let content = ShareContent(
                setID: .random(in: 0 ... .max, using: &random), threshold: .random(in: 0 ... .max, using: &random),
                index: .random(in: 0 ... .max, using: &random),
                bytes: (0..<32).map { _ in .random(in: 0 ... .max, using: &random) })
            #expect(ShareContent.read(try content.text) == .success(content))
        }
    }

    @Test("a caller's buffer takes the same text, and the rest of it stays as it was")
    func intoBuffer() throws {
        let share = sample.share
        var buffer = [UInt8](repeating: 0xEE, count: ShareText.textBytesMax)
        var span = buffer.mutableSpan
        let count = try ShareText.write(share, into: &span)
        #expect(Array(buffer[..<count]) == (try sample.text))
        #expect(buffer[count...].allSatisfy { $0 == 0xEE })
    }

    @Test("case, blanks, line ends, missing hyphens and look-alikes make no difference")
    func spelling() throws {
        let written = String(decoding: try sample.text, as: UTF8.self)
        let spellings = [
            written.lowercased(), written.uppercased(), written + "\n", written + "\r\n", "  \t" + written + "  ",
            written.replacing("-", with: ""), written.replacing("-", with: " "), written.replacing(":", with: ": "),
            written.replacing("0", with: "O"), written.replacing("0", with: "o"), written.replacing("1", with: "l"),
            written.replacing("1", with: "I"), written.map { "\($0)" }.joined(separator: " "),
        ]
        for spelling in spellings { #expect(ShareContent.read(text(spelling)) == .success(sample)) }
    }

    @Test("every substitution of one character is refused, unless it is another spelling of the same")
    func substitutions() throws {
        let written = try sample.text
        var refused = 0
        for position in written.indices {
            var changed = written
            for byte in UInt8(ascii: " ")...UInt8(ascii: "~") where byte != written[position] {
                changed[position] = byte
                let result = ShareContent.read(changed)
                if canonical(changed) == canonical(written) {
                    #expect(result == .success(sample))
                } else {
                    #expect(result.failure?.code == .mistyped || result.failure?.code == .malformed)
                    refused += 1
                }
            }
        }
        #expect(refused > 8_000)
    }

    @Test("a substitution by another character of the alphabet is called mistyped, wherever it is")
    func mistyped() throws {
        let written = try sample.text
        let body = written.firstIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? 0
        for position in written.indices where position >= body && written[position] != UInt8(ascii: "-") {
            var changed = written
            changed[position] = written[position] == UInt8(ascii: "7") ? UInt8(ascii: "8") : UInt8(ascii: "7")
            #expect(ShareContent.read(changed).failure == .mistyped)
        }
        for position in 3..<11 {
            var changed = written
            changed[position] = UInt8(ascii: "7")
            #expect(ShareContent.read(changed).failure == .mistyped)
        }
    }

    @Test("every exchange of two neighbours is refused, unless they spell the same")
    func transpositions() throws {
        let written = try sample.text
        var refused = 0
        for position in written.indices.dropLast() {
            var changed = written
            changed.swapAt(position, position + 1)
            let result = ShareContent.read(changed)
            if canonical(changed) == canonical(written) {
                #expect(result == .success(sample))
            } else {
                #expect(result.failure?.code == .mistyped || result.failure?.code == .malformed)
                refused += 1
            }
        }
        #expect(refused > 50)
    }

    @Test("every exchange of two whole groups is refused")
    func groupTranspositions() throws {
        let groups = String(decoding: try sample.text, as: UTF8.self).dropFirst(14).split(separator: "-")
        #expect(groups.count == 14)
        for first in groups.indices {
            for second in groups.indices where groups[first] != groups[second] {
                var changed = groups
                changed.swapAt(first, second)
                let spelled = "sr-1a2b3c4d-2:" + changed.joined(separator: "-")
                #expect(ShareContent.read(text(spelled)).failure == .mistyped)
            }
        }
    }

    @Test("every truncation, loss and doubling of a character is malformed")
    func truncations() throws {
        let written = try sample.text
        for count in written.indices {
            #expect(ShareContent.read(Array(written[..<count])).failure?.code == .malformed)
        }
        let colon = written.firstIndex(of: UInt8(ascii: ":")) ?? 0
        for position in written.indices where position > colon && written[position] != UInt8(ascii: "-") {
            var shorter = written
            shorter.remove(at: position)
            #expect(ShareContent.read(shorter).failure == .malformed(.length(68)))
            var longer = written
            longer.insert(written[position], at: position)
            #expect(ShareContent.read(longer).failure == .malformed(.length(70)))
        }
    }

    @Test("the prefix must be there and must be that of the bytes")
    func prefix() throws {
        let body = String(decoding: try sample.text, as: UTF8.self).dropFirst(14)
        for prefix in ["sr-1a2b3c4d-3:", "sr-1a2b3c4e-2:", "sr-1a2b3c4d-20:", "sr-1a2b3c4d-0:"] {
            #expect(ShareContent.read(text(prefix + body)).failure == .mistyped)
        }
        let malformed = [
            "", "sr:", "sr-1a2b3c4d-:", "sr-1a2b3c4d-2", "sr-1a2b3c4d-256:", "sr-1a2b3c4d-02:", "sr-1a2b3c4d-0002:",
            "sr-1a2b3c4d-00:", "xr-1a2b3c4d-2:",
            "sr-1a2b3c4g-2:", "sr-1a2b3c4d-a:", ":", "sr-1a2b3c4d-2;",
        ]
        for prefix in malformed {
            #expect(ShareContent.read(text(prefix + body)).failure == .malformed(.prefix))
        }
    }

    @Test("a character that is in no share is named by its group", arguments: ["U", "u", "*", "\u{0}", "_", "="])
    func strangeCharacter(character: String) throws {
        var written = String(decoding: try sample.text, as: UTF8.self)
        written.replaceSubrange(
            written.index(written.startIndex, offsetBy: 20)...written.index(written.startIndex, offsetBy: 20),
            with: character)
        let failure = ShareContent.read(text(written)).failure
        #expect(failure == .malformed(.character(group: 2)))
        #expect(failure?.message == "share: group 2 has a character that is in no share")
    }

    @Test("the bit after the last byte must be zero")
    func paddingBit() throws {
        var written = try sample.text
        #expect(written.last == UInt8(ascii: "E"))
        written[written.count - 1] = UInt8(ascii: "F")
        #expect(ShareContent.read(written).failure == .mistyped)
    }

    @Test("another version with a right checksum is named")
    func otherVersion() {
        let future = "sr-1a2b3c4d-2:08D2P-F2D0C-10008-20C20-A1G71-04GM2-RC1M7-0Y40H-289H8-58P2W-C1J6G-V3GEH-W7ZT1-6BSW"
        #expect(ShareContent.read(text(future)).failure == .malformed(.version(2)))
    }

    @Test("input over 512 bytes is refused, though all but the share be blanks")
    func longInput() throws {
        let written = try sample.text
        let blanks = [UInt8](repeating: UInt8(ascii: " "), count: 512 - written.count)
        #expect(ShareContent.read(blanks + written) == .success(sample))
        #expect(ShareContent.read(blanks + written + [UInt8(ascii: " ")]).failure == .malformed(.tooLong))
        #expect(ShareContent.read([UInt8](repeating: UInt8(ascii: " "), count: 512)).failure == .malformed(.prefix))
        #expect(ShareContent.read([UInt8](repeating: 0xFF, count: 512)).failure == .malformed(.prefix))
    }

    @Test("random bytes are never a share, and never stop the process")
    func noise() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("sr-1a2b3c4d-2:0Z \n\u{0}".utf8) + [0xFF]
        for length in 0..<300 {
            let noise = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            #expect(ShareContent.read(noise).failure != nil)
            #expect(ShareContent.read(Array("sr-1a2b3c4d-2:".utf8) + noise).failure != nil)
        }
    }

    @Test("a share describes itself by index and set alone")
    func description() {
        let share = ShareContent(setID: 0x2B, threshold: 3, index: 7).share
        let description = share.description
        #expect(description == "share 7 of set 0000002b")
    }

    @Test("share bytes of any size but 32 are refused", arguments: [0, 31, 33])
    func shareSize(count: Int) {
        let isTaken = Share(setID: 1, threshold: 2, index: 1, SecretBytes(count: count)) != nil
        #expect(!isTaken)
    }
}
