import Foundation
import SecretMemory
import StrongroomClient
import Testing

@testable import strongroom

@Suite("QR codes")
struct QRCodeTests {
    private struct Published: Decodable {
        let content: String
        let version: Int
        let level: String
        let mask: Int
        let rows: [String]
    }

    private static func modules(_ code: borrowing QRCode) -> [[Bool]] {
        var rows: [[Bool]] = []
        for row in 0..<code.side {
            var line: [Bool] = []
            for column in 0..<code.side { line.append(code.isDark(row: row, column: column)) }
            rows.append(line)
        }
        return rows
    }

    private static func row(_ hexadecimal: String, _ side: Int) -> [Bool] {
        let bits = hexadecimal.flatMap { digit in
            (0..<4).map { (digit.hexDigitValue ?? 0) >> (3 - $0) & 1 == 1 }
        }
        return Array((Array(repeating: false, count: side) + bits).suffix(side))
    }

    @Test("codes are module by module those of another encoder")
    func published() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Vectors/qr_codes.json")
        let cases = try JSONDecoder().decode([Published].self, from: Data(contentsOf: file))
        #expect(cases.count == 12)
        for example in cases {
            let content = Array(example.content.utf8)
            guard let code = QRCode(content.span) else {
                Issue.record("no code for \(content.count) bytes")
                continue
            }
            let chosen = (code.version.number, "\(code.level)", code.mask)
            #expect(chosen == (example.version, example.level, example.mask))
            let same = Self.modules(code) == example.rows.map { Self.row($0, 17 + 4 * example.version) }
            #expect(same, "version \(example.version)")
        }
    }

    @Test("every size from 0 to 271 bytes is read back by a reader that was written from the standard")
    func readBack() {
        var versions: Set<Int> = []
        var masks: Set<Int> = []
        for count in 0...271 {
            let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ count) }
            guard let code = QRCode(content.span) else {
                Issue.record("no code for \(count) bytes")
                continue
            }
            versions.insert(code.version.number)
            masks.insert(code.mask)
            let reader = QRReader(Self.modules(code))
            #expect(reader?.content == content, "\(count) bytes")
            #expect(reader?.mask == code.mask)
        }
        #expect(versions == Set(1...10) && masks.count == 8)
        let tooMuch = [UInt8](repeating: 0, count: 272)
        let isRefused = QRCode(tooMuch.span) == nil
        #expect(isRefused)
    }

    @Test("one wrong module is noticed by the reader")
    func noticed() throws {
        let content = Array("otpauth://totp/a:b?secret=GEZDGNBV".utf8)
        guard let code = QRCode(content.span) else {
            Issue.record("no code")
            return
        }
        var modules = Self.modules(code)
        modules[12][15].toggle()
        let reader = try #require(QRReader(modules))
        #expect(reader.content == nil)
    }

    @Test("Reed-Solomon codewords of a well-known example, HELLO WORLD at 1-M in alphanumeric mode")
    func correction() {
        let data: [UInt8] = [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17]
        let remainder = ReedSolomon.remainder(of: data.span, ReedSolomon.generator(degree: 10))
        let found = (0..<remainder.count).map { remainder[$0] }
        #expect(found == [196, 35, 39, 119, 235, 215, 231, 226, 93, 23])
        #expect(ReedSolomon.generator(degree: 2) == [3, 2])
    }

    @Test("format and size information are those of the standard's tables")
    func information() {
        for (index, text) in QRReader.formats.enumerated() {
            let format = QRVersion.format(index < 8 ? .low : .medium, mask: index % 8)
            #expect(format == Int(text, radix: 2))
        }
        #expect(QRVersion(number: 7).information == 0b00_0111_1100_1001_0100)
        #expect(QRVersion(number: 10).information == 0b00_1010_0100_1101_0011)
        #expect(QRVersion(number: 10).capacity(.low) == 271 && QRVersion(number: 10).capacity(.medium) == 213)
        #expect(QRVersion(number: 1).capacity(.low) == 17 && QRVersion(number: 4).capacity(.medium) == 62)
    }

    @Test("a drawing has two modules in a character, and a light margin of four")
    func drawing() {
        guard let code = QRCode(Array("a".utf8).span) else {
            Issue.record("no code")
            return
        }
        let drawing = QRDrawing.lines(code, inColor: false)
        let text = String(decoding: (0..<drawing.count).map { drawing.span[$0] }, as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 15 && lines.allSatisfy { $0.count == 29 })
        #expect(lines[0] == String(repeating: "█", count: 29)[...] && lines[1] == lines[0])
        // The top of the left finder: a dark line above a dark corner.
        #expect(lines[2].hasPrefix("████ ▄▄▄▄▄ █"))
        for row in 0..<21 {
            for column in 0..<21 {
                let character = lines[(row + 4) / 2].dropFirst(4 + column).first
                let isLight = (row % 2 == 0 ? "█▀" : "█▄").contains(character ?? " ")
                let isDark = code.isDark(row: row, column: column)
                #expect(isLight != isDark)
            }
        }
    }
}
