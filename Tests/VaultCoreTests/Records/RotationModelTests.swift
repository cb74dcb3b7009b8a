import LMDB
import Testing

@testable import VaultCore

@Suite("Turning keys over against a model")
struct RotationModelTests {
    @Test(
        "20,000 operations with rotations, moves, destructions and restarts among them leave what a dictionary says",
        arguments: [1, 2, 3, 4] as [UInt64])
    func random(seed: UInt64) throws {
        var model = try RotationModel(seed: seed)
        while model.operations < 20_000 { try model.step() }
        try model.finish()
        print(model.summary)
        #expect(model.destroyed >= 10)
        #expect(model.restarts >= 20)
        #expect(model.moved > 1_000)
    }
}

/// A vault, and dictionaries that say what has to be in it.
private struct RotationModel {
    struct Name: Hashable {
        var pan: UInt64
        var subject: String
    }

    let vault: TestVault
    let seed: UInt64
    private(set) var held: [UInt64: HeldCard] = [:]
    private(set) var operations = 0
    private(set) var moved = 0
    private(set) var destroyed = 0
    private(set) var restarts = 0
    private var names: [Name: UInt64] = [:]
    private var gone: [UInt64] = []
    private var random: SeededRandom
    private let pans: [UInt64]
    /// Moved out of each version by slices, as they said.
    private var movedFrom: [KeyPurpose: Int] = [:]

    init(seed: UInt64) throws {
        self.seed = seed
        var random = SeededRandom(seed &* 0x9E37_79B9_7F4A_7C15)
        vault = try TestVault()
        pans = (0..<400).map { _ in random.pan(length: Int.random(in: 13...19, using: &random)) }
        self.random = random
    }

    var summary: String {
        "rotation model, seed \(seed): \(held.count) tokens, data key \(vault.keyring.active(.data)?.number ?? 0), "
            + "index key \(vault.keyring.active(.index)?.number ?? 0), \(moved) moved, \(destroyed) destroyed, "
            + "\(restarts) restarts"
    }

    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func step() throws {
        operations += 1
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: try tokenize()
        case 35..<55: try reveal()
        case 55..<70: try find()
        case 70..<85: try forget()
        case 85..<98: try move()
        default: try turn()
        }
        if operations % 4_000 == 0 { try check() }
    }

    private mutating func tokenize() throws {
        let subject = ["", "", "anna", "bob"].randomElement(using: &random) ?? ""
        let name = Name(pan: pans.randomElement(using: &random) ?? 0, subject: subject)
        let isOnce = chance(5)
        let expiry = chance(3) ? CardExpiry(packed: .random(in: 1...1_200, using: &random)) : nil
        let item = try vault.tokenize(
            Order(pan: name.pan, format: vault.id(isOnce ? "once" : "cards"), subject: subject, expiry: expiry))
        try #require(item.outcome == .done, "seed \(seed), operation \(operations)")
        if !isOnce, let known = names[name] {
            try #require(item.token == known, "seed \(seed), operation \(operations): a second token")
            if let expiry { held[known]?.expiry = expiry.packed }
        } else {
            try #require(held[item.token] == nil)
            held[item.token] = HeldCard(
                pan: name.pan, format: isOnce ? "once" : "cards", subject: subject, expiry: expiry?.packed ?? 0)
            if !isOnce { names[name] = item.token }
        }
    }

    private mutating func reveal() throws {
        var tokens = (0..<3).compactMap { _ in held.keys.randomElement(using: &random) }
        tokens += gone.suffix(2)
        for (token, reveal) in zip(tokens, try vault.reveal(tokens)) {
            guard let card = held[token] else {
                #expect(reveal.status == .missing)
                continue
            }
            try #require(reveal.status == .revealed, "seed \(seed), operation \(operations)")
            #expect(reveal.pan == card.pan)
            #expect(reveal.expiry == card.expiry)
        }
    }

    private mutating func find() throws {
        let subject = ["", "anna", "bob"].randomElement(using: &random) ?? ""
        let name = Name(pan: pans.randomElement(using: &random) ?? 0, subject: subject)
        let token = try vault.find(name.pan, subject: subject)
        try #require(token == names[name], "seed \(seed), operation \(operations)")
    }

    private mutating func forget() throws {
        guard let token = held.keys.randomElement(using: &random) else { return }
        let outcomes = try vault.forget([token] + gone.suffix(1))
        #expect(outcomes.first == .done)
        #expect(outcomes.dropFirst().allSatisfy { $0 == .missing })
        guard let card = held.removeValue(forKey: token) else { return }
        if card.format == "cards" { names[Name(pan: card.pan, subject: card.subject)] = nil }
        gone.append(token)
    }

    private mutating func move() throws {
        let limit = Int.random(in: 1...60, using: &random)
        let purpose: KeyPurpose = Bool.random(using: &random) ? .data : .index
        let slice = purpose == .data ? try vault.moveRecords(limit) : try vault.moveEntries(limit)
        #expect(slice.passedOver == 0)
        #expect(slice.moved <= limit)
        moved += slice.moved
        movedFrom[purpose, default: 0] += slice.moved
    }

    /// A rotation, a destruction of what is free, or a restart.
    private mutating func turn() throws {
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            try vault.reopen()
            restarts += 1
        case 1:
            let purpose: KeyPurpose = Bool.random(using: &random) ? .data : .index
            // Two may retire at once, as after a restored database; an index key waits for the one before.
            guard vault.keyring.retiring(purpose).count < (purpose == .data ? 2 : 1) else { return }
            try install(try vault.keyring.rotated(purpose))
        default:
            for purpose in [KeyPurpose.data, .index] {
                for version in vault.keyring.retiring(purpose) {
                    let (left, moved) = try vault.usage(purpose, version.number)
                    let found = try vault.scan(purpose, version.number)
                    #expect((left == 0) == (found == 0), "seed \(seed), operation \(operations)")
                    guard left == 0, found == 0 else { continue }
                    try install(
                        try vault.keyring.destroying(
                            purpose, version.number, now: 9, recordsMoved: moved, by: .automatic))
                    destroyed += 1
                }
            }
        }
    }

    private mutating func install(_ keyring: Keyring) throws {
        // What comes back from its file, with or without a restart.
        let read = try decoded(try encoded(keyring))
        if chance(3) {
            try vault.reopen(keyring: read)
            restarts += 1
        } else {
            try vault.adopt(read)
        }
    }

    func check() throws {
        try #require(try vault.serves(held), "seed \(seed), operation \(operations)")
        for pan in pans.prefix(100) {
            for subject in ["", "anna", "bob"] {
                #expect(try vault.find(pan, subject: subject) == names[Name(pan: pan, subject: subject)])
            }
        }
        for reveal in try vault.reveal(Array(gone.suffix(500))) { #expect(reveal.status == .missing) }
        let report = try vault.verify()
        try #require(report.isSound, "seed \(seed): \(report.findings.first?.description ?? "")")
        #expect(report.records == UInt64(held.count))
        #expect(report.indexEntries == UInt64(held.count))
        #expect(report.subjects == UInt64(held.values.count { !$0.subject.isEmpty }))
        for purpose in [KeyPurpose.data, .index] {
            var left: UInt64 = 0
            var moved: UInt64 = 0
            for version in vault.keyring.versions where version.purpose == purpose {
                let usage = try vault.usage(purpose, version.number)
                left += usage.left
                moved += usage.moved
                if version.state == .destroyed { #expect(usage.left == 0) }
            }
            #expect(left == UInt64(held.count))
            #expect(moved == UInt64(movedFrom[purpose] ?? 0))
        }
        let receipts = vault.keyring.annex.receipts
        #expect(receipts.count == destroyed)
        for receipt in receipts {
            #expect(try vault.usage(receipt.purpose, receipt.version).moved == receipt.recordsMoved)
        }
    }

    /// Everything to the newest keys, the old ones destroyed, and everything still there.
    mutating func finish() throws {
        try check()
        for purpose in [KeyPurpose.data, .index] {
            let (count, passedOver) = try vault.moveAll(purpose, by: 25)
            #expect(passedOver == 0)
            movedFrom[purpose, default: 0] += count
            // One walk is enough, wherever it went on: another finds nothing.
            #expect(try vault.moveAll(purpose, by: 25) == (0, 0))
            for version in vault.keyring.retiring(purpose) {
                let (left, moved) = try vault.usage(purpose, version.number)
                try #require(left == 0)
                try vault.adopt(
                    try vault.keyring.destroying(
                        purpose, version.number, now: 9, recordsMoved: moved, by: .automatic))
                destroyed += 1
            }
        }
        try vault.reopen()
        try check()
    }
}
