internal import StrongroomClient

/// Whether the vault is right after a rotation: without that its figures are worth nothing.
struct RotationCheck: Sendable {
    let run: RotationRun
    let purpose: String
    let course: RotationRun.Course
    /// Cards that arrived while the run lasted.
    let newCards: Range<Int>

    /// Cards of the fill that are handed in once more.
    private static let againMax = 20_000

    /// One thing that must be so.
    struct Finding: Sendable {
        let text: String
        let isRight: Bool
    }

    /// - Parameter made: cards that the checkout handed in, and their tokens.
    func findings(_ loads: [LoadResult], _ made: [(index: Int, token: UInt64)]) async throws -> [Finding] {
        let failed = loads.reduce(0) { $0 + $1.tallies.reduce(0) { $0 + $1.failed } }
        let wrong = loads.reduce(0) { $0 + $1.tallies.reduce(0) { $0 + $1.wrong } }
        let asked = loads.reduce(0) { $0 + $1.tallies.reduce(0) { $0 + $1.answered } } + failed + wrong
        let failure = loads.lazy.flatMap(\.tallies).compactMap(\.failure).first.map { ", the first: \($0)" } ?? ""
        return [
            Finding(text: "\(count(failed)) of \(count(asked)) requests failed\(failure)", isRight: failed == 0),
            Finding(text: "\(count(wrong)) of \(count(asked)) requests got a wrong answer", isRight: wrong == 0),
            try await revealed(made), try await known(made),
        ] + (try keyring())
    }

    /// Every card comes back.
    private func revealed(_ made: [(index: Int, token: UInt64)]) async throws -> Finding {
        let all = run.tokens.enumerated().map { (index: $0.offset, token: $0.element) } + made
        let text = "every card comes back right: \(count(run.tokens.count)) and \(count(made.count)) new ones"
        return try await finding(text, run.vault.billing) { exchange, client in
            try await exchange.detokenize(client, all)
        }
    }

    /// Cards the vault has seen get the tokens they had: the index finds them.
    private func known(_ made: [(index: Int, token: UInt64)]) async throws -> Finding {
        var random = SplitMix64(seed: 5)
        let cards =
            (0..<min(Self.againMax, run.tokens.count)).map { _ in
                let index = Int.random(in: run.tokens.indices, using: &random)
                return (index: index, token: run.tokens[index])
            } + made
        let text = "\(count(cards.count)) cards, all new ones among them, have the token that they had"
        return try await finding(text, run.vault.checkout) { exchange, client in
            try await exchange.tokenizeAgain(client, cards)
        }
    }

    private func finding(
        _ text: String, _ configuration: StrongroomClient.Configuration,
        _ check: (BulkExchange, StrongroomClient) async throws -> Void
    ) async throws -> Finding {
        let client = try VaultAddress.client(configuration, "check")
        do {
            try await check(BulkExchange(scenario: "check"), client)
            await client.shutDown()
            return Finding(text: text, isRight: true)
        } catch let error as BenchError {
            await client.shutDown()
            return Finding(text: "\(text): \(error)", isRight: false)
        }
    }

    /// The old version is gone, and the new one has everything.
    private func keyring() throws(BenchError) -> [Finding] {
        let versions = try run.keys.versions().filter { $0.purpose == purpose }
        let old = versions.first { $0.number == course.from }
        let new = versions.first { $0.number == course.to }
        let cards = newCards.upperBound
        return [
            Finding(
                text: "version \(course.from) of the \(purpose) key is \(old?.state ?? "unknown"), with"
                    + " \(count(old?.records ?? -1)) records left and \(old?.hasReceipt == true ? "a" : "no") receipt",
                isRight: old?.state == "destroyed" && old?.records == 0 && old?.hasReceipt == true),
            Finding(
                text: "version \(course.to) is \(new?.state ?? "unknown"), with \(count(new?.records ?? -1)) records of"
                    + " \(count(cards)) cards",
                isRight: new?.state == "active" && new?.records == cards && course.to != course.from),
            Finding(text: "no rotation is under way", isRight: try run.keys.jobs().isEmpty),
        ]
    }

    private func count(_ number: Int) -> String { Figures.whole(Double(number)) }
}
