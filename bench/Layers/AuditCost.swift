import VaultCore

/// The cost of the audit log for each token of a bulk reveal: making the record, linking and hashing it, writing and
/// flushing it.
struct AuditCost {
    private let directory: String
    /// Tokens of a chunk, as bulk reveals have them.
    private let chunk = 1024
    private let rounds = 5

    init(directory: String) { self.directory = directory }

    func report() throws {
        print("| step | CPU ns/token | wall ns/token | |")
        print("|---|---|---|---|")
        let texts = median { _ in
            for _ in 0..<2000 { _ = entry(chunk) }
            return 2000 * chunk
        }
        row("the record's text", texts, "\(chunk) tokens a record")
        for (tokens, share) in [(1024, 16), (1024, 1), (100, 16), (10, 16), (1, 64), (1, 1)] {
            let count = max(64, min(2000, 400_000 / tokens)) / share * share
            var round = 0
            let whole = try medianThrowing {
                round += 1
                return try write(groups: count / share, share: share, tokens: tokens, to: "\(tokens)-\(share)-\(round)")
            }
            row("record, chain, tree, write, flush", whole, "\(tokens) tokens a record, \(share) records a flush")
        }
    }

    private func entry(_ count: Int) -> AuditEntry {
        var entry = AuditEntry(.detokenize, capacity: 384 + 22 * count)
        entry.add("client", "billing")
        entry.add("certificate", hex: [UInt8](repeating: 0xAB, count: 32))
        entry.add("peer", "10.0.0.17")
        entry.add("purpose", "charge")
        entry.add("outcome", "ok")
        entry.add("asked", UInt64(count))
        entry.add("tokens", tokens: (0..<count).map { 9_912_345_678_901_234 &+ UInt64($0) &* 7_919 })
        entry.add("keys", numbers: [3])
        return entry
    }

    /// Writes groups of records, each group flushed once; the number of tokens.
    private func write(groups: Int, share: Int, tokens: Int, to name: String) throws -> Int {
        let keyring = try Keyring.create(now: 1)
        let moment = AuditLog.Moment(seconds: 1_800_000_000, text: "2027-01-15T08:00:00.000Z")
        let log = try AuditLog.open(
            AuditLog.Opening(
                directory: AuditDirectory("\(directory)/\(name)"), vaultID: keyring.vaultID.text,
                boot: "00000000-0000-4000-8000-000000000000", keys: try AuditKey.all(of: keyring),
                settings: AuditLog.Settings(), known: nil, now: moment))
        for _ in 0..<groups {
            _ = try log.append((0..<share).map { _ in entry(tokens) }, at: moment)
            try log.flush()
        }
        return groups * share * tokens
    }

    private struct Cost {
        var processor: Double
        var wall: Double
    }

    private func medianThrowing(_ body: () throws -> Int) rethrows -> Cost {
        var costs: [Cost] = []
        for _ in 0..<rounds {
            let (processor, wall) = (processorNanoseconds(), wallNanoseconds())
            let tokens = Double(try body())
            costs.append(
                Cost(
                    processor: (processorNanoseconds() - processor) / tokens,
                    wall: (wallNanoseconds() - wall) / tokens))
        }
        return Cost(
            processor: costs.map(\.processor).sorted()[rounds / 2], wall: costs.map(\.wall).sorted()[rounds / 2])
    }

    private func median(_ body: (Int) -> Int) -> Cost { medianThrowing { body(0) } }

    private func row(_ name: String, _ cost: Cost, _ note: String) {
        print("| \(name) | \(text(cost.processor)) | \(text(cost.wall)) | \(note) |")
    }

    private func text(_ number: Double) -> String {
        let tenths = (number * 10).rounded() / 10
        return "\(tenths)"
    }
}
