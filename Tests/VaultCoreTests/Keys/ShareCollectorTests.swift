import SecretMemory
import Testing

@testable import VaultCore

@Suite("Collecting shares")
struct ShareCollectorTests {
    /// The shares of a 3-of-5 set of the sample secret.
    private let shares: [ShareContent]

    init() throws {
        let bytes = try Shamir.shares(of: sampleSecret, threshold: 3, count: 5)
        shares = bytes.enumerated().map { ShareContent(index: UInt8($0.offset + 1), bytes: $0.element) }
    }

    private func collector() throws -> ShareCollector {
        try ShareCollector(setID: ShareContent().setID, threshold: 3, count: 5)
    }

    private func refusal(_ share: ShareContent, by collector: inout ShareCollector) -> ShareError? {
        do throws(ShareError) {
            try collector.add(share.share)
            return nil
        } catch {
            return error
        }
    }

    private func combined(_ collector: inout ShareCollector) throws(ShareError) -> [UInt8] {
        let secret = try collector.combine()
        return secret.span.copied
    }

    @Test("shares are counted until there are enough, and then give the secret")
    func completion() throws {
        var collector = try collector()
        var progress = [collector.progress]
        for index in [4, 0, 2] { progress.append(try collector.add(shares[index].share)) }
        #expect(
            progress == [
                .needsMore(have: 0, need: 3), .needsMore(have: 1, need: 3), .needsMore(have: 2, need: 3), .complete,
            ])
        let indices = collector.indices
        #expect(indices == [5, 1, 3])
        #expect(try combined(&collector) == sampleSecret)
    }

    @Test("a set of a split goes through writing and typing to the same secret")
    func wholeWay() throws {
        let secret = sampleSecret
        let set = try Shamir.split(secret.span, threshold: 3, count: 5)
        var collector = try ShareCollector(setID: set.setID, threshold: set.threshold, count: set.count)
        for index in [2, 5, 1] {
            let share = set.share(index)
            let text = try ShareText.encode(share)
            let typed = try ShareText.decode(text.span)
            try collector.add(typed)
        }
        #expect(try combined(&collector) == sampleSecret)
    }

    @Test("from the split to the secret, no share and no text stays alive, whether it was taken or refused")
    func nothingStays() async {
        await #expect(processExitsWith: .success) {
            // Once before counting: the library keeps some secrets of its own.
            try ceremony()
            let before = SecretArena.status
            try ceremony()
            let after = SecretArena.status
            precondition(after.liveSecrets == before.liveSecrets && after.usedBytes == before.usedBytes)
            precondition(after.wipedSecrets > before.wipedSecrets)
        }
        await #expect(processExitsWith: .failure) {
            let before = SecretArena.status
            let kept = ShareContent().share
            precondition(SecretArena.status.liveSecrets == before.liveSecrets, kept.description)
        }
    }

    @Test("combining empties the collection, which can begin anew")
    func afterCombining() throws {
        var collector = try collector()
        for round in 0..<2 {
            for share in shares[round..<round + 3] { try collector.add(share.share) }
            #expect(try combined(&collector) == sampleSecret)
            let rest = (collector.indices, collector.progress)
            #expect(rest.0.isEmpty && rest.1 == .needsMore(have: 0, need: 3))
        }
    }

    @Test("the secret is refused before there are enough shares, and those entered stay")
    func tooFew() throws {
        var collector = try collector()
        for share in shares[..<2] { try collector.add(share.share) }
        let error = #expect(throws: ShareError.self) { _ = try combined(&collector) }
        #expect(error == .tooFew(have: 2, need: 3))
        let progress = try collector.add(shares[2].share)
        #expect(progress == .complete)
        #expect(try combined(&collector) == sampleSecret)
    }

    @Test("a reset forgets every share entered")
    func reset() throws {
        var collector = try collector()
        for share in shares[..<3] { try collector.add(share.share) }
        collector.reset()
        let error = #expect(throws: ShareError.self) { _ = try combined(&collector) }
        #expect(error == .tooFew(have: 0, need: 3))
        for share in shares[2...] { try collector.add(share.share) }
        #expect(try combined(&collector) == sampleSecret)
    }

    @Test("a share of another set is refused, and both sets are named")
    func foreign() throws {
        var collector = try collector()
        let error = refusal(ShareContent(setID: 0xAB, bytes: shares[0].bytes), by: &collector)
        #expect(error == .foreign(found: 0xAB, expected: 0x1A2B_3C4D))
        #expect(error?.code.rawValue == "share_foreign")
        #expect(error?.message == "share: of set 000000ab, but set 1a2b3c4d is needed")
    }

    @Test("a share that was entered is refused the second time, whatever its bytes")
    func repeated() throws {
        var collector = try collector()
        try collector.add(shares[1].share)
        for bytes in [shares[1].bytes, shares[0].bytes] {
            let error = refusal(ShareContent(index: 2, bytes: bytes), by: &collector)
            #expect(error == .repeated(index: 2))
            #expect(error?.code.rawValue == "share_repeated")
            #expect(error?.message == "share: number 2 was entered already")
        }
        let indices = collector.indices
        #expect(indices == [2])
    }

    @Test("a share with another threshold is refused", arguments: [0, 1, 2, 4, 255] as [UInt8])
    func wrongThreshold(threshold: UInt8) throws {
        var collector = try collector()
        let error = refusal(ShareContent(threshold: threshold), by: &collector)
        #expect(error == .wrongThreshold(found: threshold, expected: 3))
        #expect(error?.code.rawValue == "share_wrong_threshold")
    }

    @Test("a share that the set does not have is refused", arguments: [0, 6, 255] as [UInt8])
    func unknownIndex(index: UInt8) throws {
        var collector = try collector()
        let error = refusal(ShareContent(index: index), by: &collector)
        #expect(error == .unknownIndex(index: index, count: 5))
        #expect(error?.code.rawValue == "share_unknown_index")
        #expect(error?.message == "share: number \(index) of a set of 5")
    }

    @Test("a share beyond the threshold is checked like any other and not used")
    func surplus() throws {
        var collector = try collector()
        for share in shares[..<3] { try collector.add(share.share) }
        let progress = try collector.add(ShareContent(index: 5).share)
        #expect(progress == .complete)
        #expect(refusal(ShareContent(setID: 1), by: &collector)?.code == .foreign)
        #expect(refusal(shares[0], by: &collector)?.code == .repeated)
        #expect(try combined(&collector) == sampleSecret)
    }

    @Test("a false share of the right set gives another secret")
    func falseShare() throws {
        var collector = try collector()
        for share in shares[..<2] { try collector.add(share.share) }
        try collector.add(ShareContent(index: 3).share)
        #expect(try combined(&collector) != sampleSecret)
    }

    @Test("a collection for a set that cannot exist is refused")
    func impossibleSet() {
        func refusal(_ threshold: Int, _ count: Int) -> SplitError? {
            do throws(SplitError) {
                _ = try ShareCollector(setID: 1, threshold: threshold, count: count)
                return nil
            } catch {
                return error
            }
        }
        #expect(refusal(1, 5) == .thresholdBelowMin(1))
        #expect(refusal(6, 5) == .thresholdAboveCount(threshold: 6, count: 5))
        #expect(refusal(2, 256) == .countAboveMax(256))
        #expect(refusal(255, 255) == nil)
    }

    @Test("the codes are those of the contract")
    func codes() {
        #expect(
            ShareError.Code.allCases.map(\.rawValue) == [
                "share_malformed", "share_mistyped", "share_foreign", "share_repeated", "share_wrong_threshold",
                "share_unknown_index", "share_too_few", "share_crypto",
            ])
    }
}

/// A split, shares written and typed, some refused, and a secret that is thrown away.
private func ceremony() throws {
    let secret = sampleSecret
    let set = try Shamir.split(secret.span, threshold: 2, count: 3)
    var collector = try ShareCollector(setID: set.setID, threshold: 2, count: 3)
    for index in [1, 1, 3, 2] {
        let share = set.share(index)
        let text = try ShareText.encode(share)
        let typed = try ShareText.decode(text.span)
        do throws(ShareError) {
            try collector.add(typed)
        } catch {
            guard error == .repeated(index: 1) else { throw error }
        }
    }
    let combined = try collector.combine()
    guard constantTimeEqual(combined.span, secret.span) else { throw ShareError.mistyped }
    for share in [ShareContent(setID: set.setID, threshold: 2, index: 1), ShareContent()] {
        _ = try? collector.add(share.share)
    }
    _ = ShareContent.read(Array("sr-1a2b3c4d-2:04D2P".utf8))
}
