import Glibc
import LMDB

@testable import VaultCore

/// A closed vault's file and what it holds, to be damaged again and again.
final class DamageCampaign {
    let keyring: Keyring
    let image: [UInt8]
    /// A compacted copy of it: no free pages, so that every fault meets something.
    let compact: [UInt8]
    /// The same file some writes earlier, for half-old pages.
    let earlier: [UInt8]
    static let pageBytes = 4096

    struct Held {
        var token: UInt64
        var pan: UInt64
        var subject: String
        var format: String
        var expiry: UInt16
        var deadline: UInt32
    }

    private(set) var held: [Held] = []
    var pages: Int { image.count / Self.pageBytes }

    init(seed: UInt64, tokens: Int) throws {
        let vault = try TestVault()
        keyring = vault.keyring
        var random = SeededRandom(seed)
        var earlier: [UInt8] = []
        for start in stride(from: 0, to: tokens, by: 50) {
            if start >= tokens / 2 && earlier.isEmpty {
                vault.close()
                earlier = try AtomicFile.read(vault.directory.path + "/data.mdb")
                try vault.open()
            }
            let names = (0..<50).map { _ in Bool.random(using: &random) ? "cards" : "once" }
            let orders = (0..<50).map { index in
                Order(
                    pan: random.pan(), format: vault.id(names[index]),
                    subject: index % 3 == 0 ? "person \(start + index)" : "",
                    expiry: CardExpiry(packed: .random(in: 0...600, using: &random)),
                    ttl: index % 5 == 0 ? 1_000_000 : nil, purposes: index % 7 == 0 ? vault.purpose("charge") : nil,
                    request: names[index] == "once" ? (random.next(), random.next()) : nil)
            }
            for (position, item) in try vault.tokenize(orders).enumerated() {
                guard item.outcome == .done else { preconditionFailure("no token") }
                held.append(
                    Held(
                        token: item.token, pan: orders[position].pan, subject: orders[position].subject,
                        format: names[position], expiry: item.resultExpiry, deadline: item.deadline))
            }
        }
        // Some go, so that the file has free pages too.
        var gone: Set<UInt64> = []
        for index in 0..<tokens / 20 { gone.insert(held[index * 7].token) }
        _ = try vault.forget(Array(gone))
        held.removeAll { gone.contains($0.token) }
        guard try vault.verify().isSound else { preconditionFailure("the vault is not sound to begin with") }
        compact = try Self.compacted(vault)
        vault.close()
        image = try AtomicFile.read(vault.directory.path + "/data.mdb")
        self.earlier = earlier + image.dropFirst(earlier.count)
    }

    private static func compacted(_ vault: TestVault) throws -> [UInt8] {
        let path = vault.directory.path + "/copy.mdb"
        write([], to: path)
        let file = unsafe open(path, O_WRONLY)
        defer { close(file) }
        try vault.store?.environment.copyCompacted(toFileDescriptor: file)
        return try AtomicFile.read(path)
    }

    /// What reading a damaged copy came to.
    struct Outcome {
        /// The store refused to open, which is an answer.
        var refused: String?
        /// Cards that came back as other cards: never.
        var wrong = 0
        var revealed = 0
        /// Anything a caller could see: an error, a miss, another expiry or deadline.
        var noticed = 0
        var report = VerifyReport()
        /// How long the check took.
        var checkTime = Duration.zero
        var isReported: Bool { refused != nil || !report.isSound }
    }

    /// Opens a damaged copy, reads every token and every card, and checks it.
    func read(_ damaged: [UInt8]) throws -> Outcome {
        let directory = TemporaryDirectory()
        write(damaged, to: directory.path + "/data.mdb")
        var outcome = Outcome()
        let vault: TestVault
        do {
            vault = try TestVault(directory: directory, keyring: keyring, isPrepared: true)
        } catch {
            outcome.refused = "\(error)"
            return outcome
        }
        for start in stride(from: 0, to: held.count, by: 100) {
            let slice = held[start..<min(start + 100, held.count)]
            let reveals = try vault.reveal(slice.map(\.token))
            for (one, reveal) in zip(slice, reveals) {
                if reveal.status == .revealed {
                    if reveal.pan != one.pan || Int(reveal.panLength) != String(one.pan).utf8.count {
                        outcome.wrong += 1
                    }
                    outcome.revealed += 1
                    if reveal.expiry != one.expiry { outcome.wrong += 1 }
                } else {
                    outcome.noticed += 1
                }
            }
        }
        for one in held {
            if one.format == "cards" {
                do {
                    if try vault.find(one.pan, subject: one.subject) != one.token { outcome.noticed += 1 }
                } catch {
                    outcome.noticed += 1
                }
            }
        }
        let started = ContinuousClock.now
        outcome.report = try vault.verify()
        outcome.checkTime = ContinuousClock.now - started
        vault.close()
        return outcome
    }

    /// The offset of a byte in the header of a random entry: its size, flags and key size.
    static func nodeHeader(in image: [UInt8], _ random: inout SeededRandom) -> Int {
        while true {
            let page = Int.random(in: 2..<image.count / pageBytes, using: &random) * pageBytes
            func short(_ offset: Int) -> Int { Int(image[page + offset]) | Int(image[page + offset + 1]) << 8 }
            let entries = (short(12) - 16) / 2
            guard short(10) & 3 != 0, (1...1_000).contains(entries) else { continue }
            let node = short(16 + 2 * .random(in: 0..<entries, using: &random))
            return page + node + .random(in: 0..<8, using: &random)
        }
    }

    /// How many faults of a kind to try: more before a release, by STRONGROOM_FAULTS, a factor.
    static func count(_ usual: Int) -> Int {
        guard let text = unsafe getenv("STRONGROOM_FAULTS"), let factor = Int(unsafe String(cString: text)) else {
            return usual
        }
        return usual * max(1, factor)
    }

    /// Another one for each run of a long campaign, by STRONGROOM_SEED.
    static func seed(_ usual: UInt64) -> UInt64 {
        guard let text = unsafe getenv("STRONGROOM_SEED"), let seed = UInt64(unsafe String(cString: text)) else {
            return usual
        }
        return seed
    }

    /// What lies on a page, for messages.
    static func place(_ offset: Int, in image: [UInt8]) -> String {
        let page = offset / pageBytes * pageBytes
        let flags = UInt16(image[page + 10]) | UInt16(image[page + 11]) << 8
        let names = [(1, "branch"), (2, "leaf"), (4, "overflow"), (8, "meta"), (32, "leaf2")] as [(UInt16, String)]
        return names.filter { flags & $0.0 != 0 }.map(\.1).joined(separator: "+")
            + " page \(page / pageBytes), byte \(offset - page)"
    }
}
