import Testing

@testable import VaultCore

/// Faults in a stopped store. Each campaign runs in a process of its own, so that a crash is one failed test.
///
/// What holds for every fault: no card comes back as another, nothing crashes, what the fault does not touch is served,
/// and the verifier reports whatever a read could have noticed.
@Suite("Damaged store", .serialized)
struct DamageTests {
    @Test("500 flipped bits: never a wrong card, and whatever a read notices is reported")
    func bitFlips() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let seed = DamageCampaign.seed(20_261)
            let campaign = try DamageCampaign(seed: seed, tokens: 400)
            var random = SeededRandom(seed)
            var tally = DamageTally()
            for number in 0..<DamageCampaign.count(500) {
                var copy = campaign.compact
                let offset =
                    switch number % 4 {
                    case 0: DamageCampaign.nodeHeader(in: copy, &random)
                    case 1:
                        Int.random(in: 0..<copy.count / 4096, using: &random) * 4096
                            + .random(in: 0..<64, using: &random)
                    default: Int.random(in: 0..<copy.count, using: &random)
                    }
                let bit = Int.random(in: 0..<8, using: &random)
                copy[offset] ^= 1 << bit
                tally.add(try campaign.read(copy), "bit \(bit) of \(DamageCampaign.place(offset, in: copy))", campaign)
            }
            tally.conclude("flipped bits, seed \(seed)")
            // One bit is one page at most: were tokens beyond it lost, the whole would come to far more.
            #expect(tally.served > 0.97)
        }
        show(result)
    }

    @Test("100 damaged pages: zeroed, random, copied from elsewhere, half old")
    func pages() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let seed = DamageCampaign.seed(20_262)
            let campaign = try DamageCampaign(seed: seed, tokens: 400)
            var random = SeededRandom(seed)
            var tally = DamageTally()
            for number in 0..<DamageCampaign.count(100) {
                var copy = number % 4 == 3 ? campaign.image : campaign.compact
                let pages = copy.count / 4096
                var page = Int.random(in: 2..<pages, using: &random) * 4096
                let kind: String
                switch number % 4 {
                case 0:
                    kind = "zeroed"
                    for index in page..<page + 4096 { copy[index] = 0 }
                case 1:
                    kind = "random"
                    for index in page..<page + 4096 { copy[index] = .random(in: 0...255, using: &random) }
                case 2:
                    kind = "copied"
                    let source = Int.random(in: 2..<pages, using: &random) * 4096
                    for index in 0..<4096 { copy[page + index] = campaign.compact[source + index] }
                default:
                    kind = "half old"
                    while copy[page..<page + 2048] == campaign.earlier[page..<page + 2048] {
                        page = Int.random(in: 2..<pages, using: &random) * 4096
                    }
                    for index in page..<page + 2048 { copy[index] = campaign.earlier[index] }
                }
                let place = DamageCampaign.place(page, in: number % 4 == 3 ? campaign.image : campaign.compact)
                tally.add(try campaign.read(copy), "\(kind) \(place)", campaign)
            }
            tally.conclude("damaged pages, seed \(seed)")
            #expect(tally.served > 0.8)
        }
        show(result)
    }

    @Test("the whole file a page short, or cut to nothing but its first pages, is refused or reported")
    func truncated() async {
        await #expect(processExitsWith: .success) {
            let campaign = try DamageCampaign(seed: 20_263, tokens: 200)
            var tally = DamageTally()
            for pages in [2, 3, 5, campaign.compact.count / 4096 - 1] {
                let outcome = try campaign.read(Array(campaign.compact[0..<pages * 4096]))
                tally.add(outcome, "cut to \(pages) pages", campaign)
                #expect(outcome.isReported)
            }
        }
    }

    @Test("the campaign itself can fail: an undamaged copy is sound, and a hidden record is noticed and reported")
    func control() async {
        await #expect(processExitsWith: .success) {
            let campaign = try DamageCampaign(seed: 20_264, tokens: 200)
            for image in [campaign.compact, campaign.image] {
                let outcome = try campaign.read(image)
                #expect(outcome.refused == nil)
                #expect(outcome.revealed == campaign.held.count)
                #expect(outcome.noticed == 0)
                #expect(outcome.report.isSound)
                #expect(outcome.report.records == UInt64(campaign.held.count))
            }
        }
    }
}

/// Passes on the lines that a campaign in another process printed.
private func show(_ result: ExitTest.Result?) {
    for line in String(decoding: result?.standardOutputContent ?? [], as: UTF8.self).split(separator: "\n") {
        if line.contains("seed") { print(line) }
    }
}

/// What a campaign came to.
struct DamageTally {
    private var faults = 0
    private var refused = 0
    private var noticed = 0
    private var reported = 0
    private var revealed = 0
    private var asked = 0
    private var slowest = Duration.zero

    /// The share of tokens served over all stores that opened.
    var served: Double { asked == 0 ? 0 : Double(revealed) / Double(asked) }

    mutating func add(_ outcome: DamageCampaign.Outcome, _ fault: String, _ campaign: DamageCampaign) {
        faults += 1
        #expect(outcome.wrong == 0, "wrong cards after \(fault)")
        if outcome.wrong > 0 || outcome.noticed > 0 && !outcome.isReported {
            // An exit test passes on that an expectation failed, but not its comment.
            print("seed as below, \(fault): \(outcome.wrong) wrong, \(outcome.noticed) noticed")
        }
        if outcome.refused != nil {
            refused += 1
            return
        }
        asked += campaign.held.count
        revealed += outcome.revealed
        slowest = max(slowest, outcome.checkTime)
        if outcome.noticed > 0 { noticed += 1 }
        if outcome.isReported { reported += 1 }
        #expect(outcome.report.isComplete, "the check did not end after \(fault)")
        #expect(outcome.noticed == 0 || outcome.isReported, "\(outcome.noticed) misses unreported after \(fault)")
    }

    func conclude(_ title: String) {
        print(
            "\(title): \(faults) faults, \(refused) refused at opening, \(noticed) noticed by reads, "
                + "\(reported) reported, \(served) served, slowest check \(slowest)"
        )
        #expect(noticed > faults / 10)
        #expect(slowest < .seconds(5))
    }
}
