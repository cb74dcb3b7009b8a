import Testing

@testable import VaultCore

@Suite("A client held against its limits")
struct ClientMeterTests {
    private static let now: UInt32 = 1_700_000_000

    private func meter(_ change: (inout ClientLimits) -> Void) -> ClientMeter {
        var limits = ClientLimits()
        change(&limits)
        return ClientMeter(limits)
    }

    @Test("without limits everything is allowed")
    func none() {
        var meter = ClientMeter()
        #expect(meter.reveal(1_000_000, now: Self.now) == .allowed)
        #expect(meter.lookUp(1_000_000, now: Self.now) == .allowed)
        #expect(meter.missed(1_000_000, now: Self.now) == nil)
        #expect(meter.name(CardMark(card: 1, bucket: 1), now: Self.now) == .allowed)
        #expect(meter.usage(now: Self.now).isEmpty)
    }

    @Test(
        "each window of reveals has a soft limit and a hard one",
        arguments: [
            (LimitKind.revealsMinute, UInt32(60)), (.revealsHour, 3_600), (.revealsDay, 86_400),
        ])
    func reveals(kind: LimitKind, seconds: UInt32) {
        var meter = meter { limits in
            let limit = ClientLimit(soft: 100, hard: 150)
            switch kind {
            case .revealsMinute: limits.revealsMinute = limit
            case .revealsHour: limits.revealsHour = limit
            default: limits.revealsDay = limit
            }
        }
        let begin = Self.now / 3600 * 3600
        #expect(meter.reveal(60, now: begin) == .allowed)
        #expect(meter.reveal(40, now: begin) == .allowed)
        #expect(meter.reveal(30, now: begin) == .throttled(granted: 0, retryAfter: seconds))
        #expect(meter.reveal(20, now: begin) == .throttled(granted: 0, retryAfter: seconds))
        #expect(meter.reveal(1, now: begin) == .exceeded(kind))
        #expect(meter.reveal(1, now: begin + seconds) == .allowed)
    }

    @Test("what is asked and refused counts: who goes on past the soft limit comes to the hard one")
    func refusedCounts() {
        var meter = meter { $0.revealsMinute = ClientLimit(soft: 10, hard: 20) }
        var verdicts: [LimitVerdict] = []
        for _ in 0..<21 { verdicts.append(meter.reveal(1, now: Self.now)) }
        #expect(verdicts[..<10].allSatisfy { $0 == .allowed })
        #expect(verdicts[10..<20].allSatisfy { if case .throttled = $0 { true } else { false } })
        #expect(verdicts[20] == .exceeded(.revealsMinute))
    }

    @Test("of a slice that goes past a soft limit, the tokens within it are granted")
    func partial() {
        var meter = meter { limits in
            limits.revealsMinute = ClientLimit(soft: 100)
            limits.revealsHour = ClientLimit(soft: 80)
        }
        #expect(meter.reveal(50, now: Self.now) == .allowed)
        guard case .throttled(let granted, let wait) = meter.reveal(100, now: Self.now) else {
            Issue.record("not throttled")
            return
        }
        #expect(granted == 30)
        #expect(wait > 60, "the hour's limit is the one that takes longer")
    }

    @Test("at the soft limit of misses nothing more is looked up, and what is asked counts as missed")
    func misses() {
        var meter = meter { $0.missesMinute = ClientLimit(soft: 10, hard: 20) }
        #expect(meter.lookUp(5, now: Self.now) == .allowed)
        #expect(meter.missed(0, now: Self.now) == nil)
        #expect(meter.missed(9, now: Self.now) == nil)
        #expect(meter.lookUp(5, now: Self.now) == .allowed)
        #expect(meter.missed(1, now: Self.now) == nil)
        guard case .throttled(granted: 0, retryAfter: let wait) = meter.lookUp(5, now: Self.now) else {
            Issue.record("not throttled")
            return
        }
        #expect((1...60).contains(wait))
        #expect(meter.reveal(5, now: Self.now) == .throttled(granted: 0, retryAfter: 60))
        #expect(meter.lookUp(1, now: Self.now) == .exceeded(.missesMinute))
        #expect(meter.lookUp(1, now: Self.now + 60) == .allowed)
    }

    @Test("one answer with too many misses is enough for the hard limit")
    func missesAtOnce() {
        var meter = meter { $0.missesMinute = ClientLimit(hard: 20) }
        #expect(meter.lookUp(5_000, now: Self.now) == .allowed)
        #expect(meter.missed(20, now: Self.now) == nil)
        #expect(meter.missed(1, now: Self.now) == .missesMinute)
    }

    @Test("different cards of one bucket meet the limits; the same card, and other buckets, do not")
    func probing() {
        var meter = meter { $0.bucketPANsHour = ClientLimit(soft: 5, hard: 8) }
        for _ in 0..<3 {
            for card in 0..<UInt64(5) {
                #expect(meter.name(CardMark(card: card, bucket: 1), now: Self.now) == .allowed)
            }
        }
        for bucket in 2..<UInt64(1_000) {
            #expect(meter.name(CardMark(card: bucket, bucket: bucket), now: Self.now) == .allowed)
        }
        for card in 5..<UInt64(8) {
            guard
                case .throttled(granted: 0, retryAfter: let wait) =
                    meter.name(CardMark(card: card, bucket: 1), now: Self.now)
            else {
                Issue.record("card \(card) is not throttled")
                return
            }
            #expect((3_000...3_600).contains(wait))
        }
        #expect(meter.name(CardMark(card: 8, bucket: 1), now: Self.now) == .exceeded(.bucketPANsHour))
        #expect(meter.name(CardMark(card: 100, bucket: 1), now: Self.now + 3_661) == .allowed)
    }

    @Test("a soft limit alone never freezes, a hard one alone never throttles")
    func alone() {
        var soft = meter { limits in
            limits.revealsMinute = ClientLimit(soft: 1)
            limits.missesMinute = ClientLimit(soft: 1)
            limits.bucketPANsHour = ClientLimit(soft: 1)
        }
        var hard = meter { limits in
            limits.revealsMinute = ClientLimit(hard: 100)
            limits.missesMinute = ClientLimit(hard: 100)
            limits.bucketPANsHour = ClientLimit(hard: 100)
        }
        for number in 0..<UInt64(100) {
            if case .exceeded = soft.reveal(10, now: Self.now) { Issue.record("frozen") }
            #expect(soft.missed(10, now: Self.now) == nil)
            if case .exceeded = soft.name(CardMark(card: number, bucket: 1), now: Self.now) { Issue.record("frozen") }
            #expect(hard.reveal(1, now: Self.now) == .allowed)
            #expect(hard.missed(1, now: Self.now) == nil)
            #expect(hard.name(CardMark(card: number, bucket: 1), now: Self.now) == .allowed)
        }
        #expect(hard.reveal(1, now: Self.now) == .exceeded(.revealsMinute))
    }

    @Test("new limits hold for what was counted before; clearing forgets it")
    func changes() {
        var meter = meter { $0.revealsDay = ClientLimit(hard: 1_000) }
        #expect(meter.reveal(500, now: Self.now) == .allowed)
        var limits = ClientLimits()
        limits.revealsDay = ClientLimit(hard: 400)
        meter.adopt(limits)
        #expect(meter.usage(now: Self.now).map(\.used) == [500])
        #expect(meter.reveal(1, now: Self.now) == .exceeded(.revealsDay))
        meter.clear()
        #expect(meter.reveal(400, now: Self.now) == .allowed)
    }
}
