import Testing

@testable import VaultWire

@Suite("JSON test suite")
struct JSONSuiteTests {
    struct Case {
        var name = ""
        var expect = ""
        var document: [UInt8] = []
    }

    /// The list of cases, read with the reader under test: it has to be right for this to work at all.
    static func cases() throws -> [Case] {
        guard let file = Vectors.load("json_test_suite.json") else { return [] }
        var copy = file
        var cases: [Case] = []
        var reader = JSONReader(copy.mutableSpan)
        var isFirst = true
        try reader.beginArray()
        while try reader.nextElement(&isFirst) {
            var entry = Case()
            var isFirstName = true
            try reader.beginObject()
            while let name = try reader.nextName(&isFirstName) {
                let key = string(reader.view(name))
                let value = string(reader.view(try reader.string()))
                switch key {
                case "name": entry.name = value
                case "expect": entry.expect = value
                default: entry.document = try #require(Vectors.base64(Array(value.utf8)))
                }
            }
            cases.append(entry)
        }
        try reader.end()
        return cases
    }

    static func string(_ span: Span<UInt8>) -> String {
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("every document to accept is accepted, every one to reject is rejected, the others get one answer each")
    func suite() throws {
        let cases = try Self.cases()
        if cases.isEmpty { return }
        #expect(cases.count == 316)
        var accepted = 0
        var rejected = 0
        for entry in cases {
            let first = verdict(entry.document)
            #expect(first == verdict(entry.document), "\(entry.name)")
            switch entry.expect {
            case "accept":
                accepted += 1
                #expect(first == .accepted, "\(entry.name)")
            case "reject":
                rejected += 1
                #expect(first == .rejected, "\(entry.name)")
            default: break
            }
        }
        #expect(accepted == 95 && rejected == 186)
    }

    @Test("100,000 open arrays and 50,000 open objects are rejected without exhausting the stack")
    func deepNesting() {
        #expect(verdict([UInt8](repeating: UInt8(ascii: "["), count: 100_000)) == .rejected)
        var objects: [UInt8] = []
        for _ in 0..<50_000 { objects += Array(#"[{"":"#.utf8) }
        #expect(verdict(objects + [0x0A]) == .rejected)
    }

    @Test("every prefix of every accepted document, and every byte of it flipped, gets an answer")
    func damage() throws {
        for entry in try Self.cases() where entry.expect == "accept" && entry.document.count < 200 {
            for length in 0..<entry.document.count { _ = verdict(Array(entry.document[0..<length])) }
            for index in entry.document.indices {
                for bit in 0..<8 {
                    var copy = entry.document
                    copy[index] ^= 1 << UInt8(bit)
                    _ = verdict(copy)
                }
            }
        }
    }
}
