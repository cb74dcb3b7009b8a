import Glibc
import LMDB
import Testing

@testable import VaultCore

@Suite("Vault against a model")
struct ModelTests {
    private struct Held {
        var pan: UInt64
        var format: String
        var subject: String
        var expiry: UInt16
        var deadline: UInt32
        var purposes: UInt64
    }

    private struct Name: Hashable {
        var pan: UInt64
        var subject: String
    }

    /// 20,000 random operations in random groups, with reopenings and key rotations, against dictionaries.
    @Test(
        "20,000 random operations leave exactly what a dictionary says, and exact counters",
        arguments: [1, 2] as [UInt64])
    func random(seed: UInt64) throws {
        print("model test, seed \(seed)")
        var random = SeededRandom(seed &* 0x9E37_79B9_7F4A_7C15)
        let vault = try TestVault([.cards, .once, TestFormat(name: "short", ttl: 500)])
        let pans = (0..<600).map { _ in random.pan(length: Int.random(in: 13...19, using: &random)) }
        let subjects = ["", "", "anna", "bob"]
        var now = TestVault.start
        var held: [UInt64: Held] = [:]
        var names: [String: [Name: UInt64]] = ["cards": [:], "short": [:]]
        var gone: [UInt64] = []
        var operations = 0

        while operations < 20_000 {
            now += .random(in: 0...20, using: &random)
            let size = Int.random(in: 1...40, using: &random)
            operations += size
            if Int.random(in: 0..<10, using: &random) < 7 {
                var orders: [Order] = []
                var formats: [String] = []
                for _ in 0..<size {
                    let format = ["cards", "cards", "once", "short"].randomElement(using: &random) ?? "cards"
                    formats.append(format)
                    orders.append(
                        Order(
                            pan: pans.randomElement(using: &random) ?? 0, format: vault.id(format),
                            subject: subjects.randomElement(using: &random) ?? "",
                            expiry: Bool.random(using: &random)
                                ? CardExpiry(packed: .random(in: 1...1_200, using: &random)) : nil,
                            ttl: Int.random(in: 0..<4, using: &random) == 0
                                ? .random(in: 1...2_000, using: &random) : nil,
                            purposes: Int.random(in: 0..<4, using: &random) == 0
                                ? .random(in: 0..<8, using: &random) : nil))
                }
                let items = try vault.tokenize(orders, at: now)
                for (index, order) in orders.enumerated() {
                    let item = items[index]
                    let format = formats[index]
                    try #require(item.outcome == .done, "seed \(seed), operation \(operations)")
                    let name = Name(pan: order.pan, subject: order.subject)
                    let limit: UInt32? = format == "short" ? 500 : nil
                    func deadline(_ ttl: UInt32?) -> UInt32 {
                        guard let shortest = [ttl, limit].compactMap({ $0 }).min() else { return 0 }
                        return now + shortest
                    }
                    if let known = names[format]?[name], var entry = held[known],
                        entry.deadline == 0 || now < entry.deadline
                    {
                        #expect(item.token == known)
                        if let expiry = order.expiry { entry.expiry = expiry.packed }
                        if order.ttl != nil { entry.deadline = deadline(order.ttl) }
                        if let purposes = order.purposes { entry.purposes = purposes }
                        held[known] = entry
                    } else {
                        #expect(held[item.token] == nil)
                        if let dead = names[format]?[name] {
                            held[dead] = nil
                            gone.append(dead)
                        }
                        names[format]?[name] = item.token
                        held[item.token] = Held(
                            pan: order.pan, format: format, subject: order.subject, expiry: order.expiry?.packed ?? 0,
                            deadline: deadline(order.ttl), purposes: order.purposes ?? .max)
                    }
                    #expect(item.deadline == held[item.token]?.deadline)
                    #expect(item.resultExpiry == held[item.token]?.expiry)
                }
            } else {
                var tokens = (0..<size / 4 + 1).compactMap { _ in held.keys.randomElement(using: &random) }
                tokens += gone.suffix(2)
                let outcomes = try vault.forget(tokens, at: now)
                for (token, outcome) in zip(tokens, outcomes) {
                    guard let entry = held[token], entry.deadline == 0 || now < entry.deadline else {
                        #expect(outcome == .missing)
                        continue
                    }
                    #expect(outcome == .done)
                    held[token] = nil
                    let name = Name(pan: entry.pan, subject: entry.subject)
                    if names[entry.format]?[name] == token { names[entry.format]?[name] = nil }
                    gone.append(token)
                }
            }
            switch Int.random(in: 0..<150, using: &random) {
            case 0: try vault.reopen()
            case 1 where vault.keyring.versions.count < 6: try vault.reopen(keyring: try vault.keyring.rotated(.data))
            case 2: try check(vault, held, gone, now)
            default: break
            }
        }
        try check(vault, held, gone, now)
        try vault.reopen()
        try check(vault, held, gone, now)
        let report = try vault.verify()
        #expect(report.isSound, "\(report.findings.first?.description ?? "")")
        #expect(report.records == UInt64(held.count))
        #expect(report.subjects == UInt64(held.values.count { !$0.subject.isEmpty }))
        try checkCounters(vault, held)
    }

    private func check(_ vault: TestVault, _ held: [UInt64: Held], _ gone: [UInt64], _ now: UInt32) throws {
        let tokens = Array(held.keys)
        for start in stride(from: 0, to: tokens.count, by: 500) {
            let slice = Array(tokens[start..<min(start + 500, tokens.count)])
            for (token, reveal) in zip(slice, try vault.reveal(slice, purpose: 2, at: now)) {
                guard let entry = held[token] else { continue }
                if entry.deadline != 0 && now >= entry.deadline {
                    #expect(reveal.status == .missing)
                } else if entry.purposes & 2 == 0 {
                    #expect(reveal.status == .purposeDenied)
                } else {
                    #expect(reveal.status == .revealed)
                    #expect(reveal.pan == entry.pan)
                    #expect(reveal.expiry == entry.expiry)
                }
            }
        }
        for reveal in try vault.reveal(Array(gone.suffix(1_000)), at: now) { #expect(reveal.status == .missing) }
    }

    private func checkCounters(_ vault: TestVault, _ held: [UInt64: Held]) throws {
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        for format in ["cards", "once", "short"] {
            let count = try transaction.counter(store.tables, MetaKey.formatTokens(vault.id(format)))
            #expect(count == UInt64(held.values.count { $0.format == format }))
        }
        var records: UInt64 = 0
        for version in vault.keyring.versions where version.purpose == .data {
            records += try transaction.counter(store.tables, MetaKey.dataRecords(version.number))
        }
        #expect(records == UInt64(held.count))
        #expect(try transaction.counter(store.tables, MetaKey.indexEntries(1)) == UInt64(held.count))
    }
}
