import Testing

@testable import VaultCore

@Suite("What outlives a restart of what is known of clients")
struct GuardStateTests {
    private static let now: UInt32 = 1_700_000_000

    private static var limits: ClientLimits {
        var limits = ClientLimits()
        limits.revealsDay = ClientLimit(soft: 1_000, hard: 2_000)
        limits.missesMinute = ClientLimit(hard: 100)
        limits.bucketPANsHour = ClientLimit(soft: 8, hard: 100)
        return limits
    }

    private static let freezes: [FreezeScope: Freeze] = [
        .all: Freeze(cause: .damage, since: 5, by: "strongroomd", reason: ""),
        .client("client0"): Freeze(cause: .limit, since: 6, by: "strongroomd", reason: "reveals_day"),
        .format("cards"): Freeze(cause: .command, since: 7, by: "anna (1000)", reason: "a leak — maybe"),
    ]

    private func encoded(clients: Int, bytesMax: Int) -> [UInt8]? {
        var images: [String: MeterImage] = [:]
        for number in 0..<clients {
            var meter = ClientMeter(Self.limits)
            _ = meter.reveal(100 + number, now: Self.now)
            _ = meter.missed(7, now: Self.now)
            for card in 0..<UInt64(6) { _ = meter.name(CardMark(card: card, bucket: 5), now: Self.now) }
            images["client\(number)"] = meter.image(bucketBytesMax: 1_000)
        }
        return GuardState.encoded(freezes: Self.freezes, meters: images, bytesMax: bytesMax)
    }

    private func usage(_ state: GuardState, _ name: String) -> [UInt64]? {
        guard var meter = state.meters[name] else { return nil }
        meter.adopt(Self.limits)
        return meter.usage(now: Self.now).map(\.used)
    }

    @Test("freezes and counters come back as they were")
    func roundTrip() throws {
        let bytes = try #require(encoded(clients: 3, bytesMax: 1 << 20))
        let read = try GuardState(decoding: bytes[...])
        #expect(read.freezes == Self.freezes)
        #expect(usage(read, "client2") == [102, 7, 6])
        #expect(read.meters.count == 3)
    }

    @Test("freezes are always whole; of counters as much as fits")
    func tight() throws {
        let whole = try #require(encoded(clients: 20, bytesMax: 1 << 20))
        let least = try #require(encoded(clients: 0, bytesMax: 1 << 20)).count
        for bytesMax in stride(from: least, through: whole.count, by: 37) {
            let bytes = try #require(encoded(clients: 20, bytesMax: bytesMax))
            #expect(bytes.count <= bytesMax)
            let read = try GuardState(decoding: bytes[...])
            #expect(read.freezes == Self.freezes)
        }
        #expect(encoded(clients: 20, bytesMax: least - 1) == nil)
    }

    @Test("the room that a file is made with is enough for its clients with full windows")
    func room() throws {
        let clients = 200
        var images: [String: MeterImage] = [:]
        for number in 0..<clients {
            var meter = ClientMeter(Self.limits)
            for step in 0..<UInt32(2_000) {
                _ = meter.reveal(1, now: Self.now + step * 60)
                _ = meter.missed(1, now: Self.now + step * 60)
            }
            for step in 0..<UInt32(60) { _ = meter.reveal(1, now: Self.now + 120_000 + step) }
            let name = "c\(number)" + String(repeating: "x", count: 60)
            images[name] = meter.image(bucketBytesMax: 1_000)
        }
        let bytes = try #require(
            GuardState.encoded(
                freezes: Self.freezes, meters: images, bytesMax: GuardState.bytes(clients: clients)))
        #expect(try GuardState(decoding: bytes[...]).meters.count == clients)
    }

    @Test("every truncation is refused")
    func truncated() throws {
        let bytes = try #require(encoded(clients: 2, bytesMax: 1 << 20))
        for count in 0..<bytes.count {
            #expect(throws: StateDamaged.self) { try GuardState(decoding: bytes[..<count]) }
        }
        #expect(throws: StateDamaged.self) { try GuardState(decoding: (bytes + [0])[...]) }
    }

    @Test("no change of a byte makes the reader fail otherwise than by refusing")
    func altered() throws {
        let bytes = try #require(encoded(clients: 1, bytesMax: 1 << 20))
        for index in bytes.indices {
            for bit in [UInt8(1), 0x80] {
                var changed = bytes
                changed[index] ^= bit
                _ = try? GuardState(decoding: changed[...])
            }
        }
    }
}
