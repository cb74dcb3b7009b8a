import Testing

@testable import VaultCore

@Suite("Record layout")
struct RecordLayoutTests {
    private func bytes(_ header: RecordHeader) -> [UInt8] {
        var record = [UInt8](repeating: 0xAA, count: 64)
        var span = record.mutableSpan
        header.write(to: &span)
        return record
    }

    private let header = RecordHeader(
        flags: [.subjectLinked, .honey], format: 0x0102, keyVersion: 0x0304_0506, created: 0x0708_090A,
        deadline: 0x0B0C_0D0E, purposeSet: 0x0F10)

    @Test("the header has the documented bytes")
    func layout() {
        #expect(
            Array(bytes(header)[0..<20]) == [
                1, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0,
            ])
        #expect(bytes(header)[20...].allSatisfy { $0 == 0xAA })
        #expect(RecordHeader(bytes(header).span) == header)
    }

    @Test("random headers read back", arguments: 1...50 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) {
        var random = SeededRandom(seed)
        let header = RecordHeader(
            flags: RecordFlags(rawValue: .random(in: 0...7, using: &random)),
            format: .random(in: 0 ... .max, using: &random),
            keyVersion: .random(in: 0 ... .max, using: &random), created: .random(in: 0 ... .max, using: &random),
            deadline: .random(in: 0 ... .max, using: &random), purposeSet: .random(in: 0 ... .max, using: &random))
        #expect(RecordHeader(bytes(header).span) == header)
    }

    @Test("another size, layout version, flag or reserved byte is refused")
    func refused() {
        let good = bytes(header)
        for count in 0..<130 where count != 64 {
            #expect(RecordHeader([UInt8](repeating: 1, count: count).span) == nil)
        }
        for (position, value) in [(0, 0), (0, 2), (0, 255), (1, 8), (1, 0x80), (18, 1), (19, 1)] as [(Int, UInt8)] {
            var altered = good
            altered[position] = value
            #expect(RecordHeader(altered.span) == nil, "byte \(position) = \(value)")
        }
    }

    @Test("a token is a miss from the very second of its deadline")
    func expiry() {
        var header = header
        header.deadline = 1_000
        #expect(!header.isExpired(now: 999))
        #expect(header.isExpired(now: 1_000))
        #expect(header.isExpired(now: .max))
        header.deadline = 0
        #expect(!header.isExpired(now: .max))
    }
}
