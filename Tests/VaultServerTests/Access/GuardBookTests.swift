import Glibc
import Logging
import Synchronization
import Testing
import VaultCore

@testable import VaultServer

@Suite("What is frozen, and what clients have asked for")
struct GuardBookTests {
    private let directory: TemporaryDirectory
    private let path: String
    private static let now: UInt32 = 1_700_000_000

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/guard"
    }

    private static let yaml = """
        data: data
        listen: {tcp: "127.0.0.1:8443"}
        tls: {certificate: c, key: k, client_ca: a}
        root_key: {file: root.key}
        formats: {cards: {}, other: {}}
        clients:
          - name: billing
            certificate: {dns: billing}
            allow: [detokenize]
            formats: [cards]
            purposes: [charge]
            limits: {reveals_day: {soft: 10, hard: 20}, misses_minute: {hard: 5}, bucket_pans_hour: {soft: 4, hard: 8}}
          - {name: checkout, certificate: {dns: checkout}, allow: [tokenize], formats: [cards]}
        """

    /// A book as a start makes it.
    private func open(_ yaml: String = yaml) throws -> GuardBook {
        let book = GuardBook(path: path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        book.adopt(try configuration(yaml), Registry(provisionallyFor: ["cards", "other"]))
        return book
    }

    /// Removes the file at the end.
    private func clean() { unsafe remove(path) }

    private static func freeze(_ reason: String = "") -> Freeze {
        Freeze(cause: .command, since: 1, by: "anna (1000)", reason: reason)
    }

    @Test("freezing holds at once in each scope, and nowhere else")
    func scopes() throws {
        defer { clean() }
        let book = try open()
        let (billing, checkout) = (book.client("billing"), book.client("checkout"))
        #expect(book.freeze(.client("billing"), Self.freeze()).isNew)
        #expect(billing.isFrozen && !checkout.isFrozen && !book.isAllFrozen && book.frozenFormats == 0)
        #expect(book.freeze(.format("other"), Self.freeze()).isNew)
        #expect(book.frozenFormats.nonzeroBitCount == 1)
        #expect(book.freeze(.all, Self.freeze()).isNew)
        #expect(book.isAllFrozen && !checkout.isFrozen)
        #expect(!book.freeze(.all, Self.freeze("again")).isNew)
        #expect(book.freezes[.all]?.reason == "")
        for scope in [FreezeScope.all, .client("billing"), .format("other")] {
            #expect(try book.unfreeze(scope) != nil)
        }
        #expect(!billing.isFrozen && !book.isAllFrozen && book.frozenFormats == 0)
        #expect(try book.unfreeze(.all) == nil)
    }

    @Test("what was frozen, and what was counted, is there after the next start")
    func restart() throws {
        defer { clean() }
        do {
            let book = try open()
            _ = book.freeze(.client("checkout"), Self.freeze("theft"))
            _ = book.freeze(.format("cards"), Self.freeze())
            _ = book.freeze(.all, Self.freeze())
            #expect(book.client("billing").reveal(10, now: Self.now) == .allowed)
            for card in 0..<UInt64(4) {
                #expect(book.client("billing").name([CardMark(card: card, bucket: 1)], now: Self.now).refused.isEmpty)
            }
            #expect(book.save())
        }
        let book = try open()
        #expect(book.client("checkout").isFrozen && book.isAllFrozen && book.frozenFormats != 0)
        #expect(book.freezes[.client("checkout")] == Self.freeze("theft"))
        guard case .throttled = book.client("billing").reveal(1, now: Self.now + 60) else {
            Issue.record("the counter is gone")
            return
        }
        #expect(book.client("billing").name([CardMark(card: 9, bucket: 1)], now: Self.now + 60).refused == [0])
    }

    @Test("past a hard limit a client freezes itself, once, with an alarm, and is frozen after the next start")
    func hardLimit() throws {
        defer { clean() }
        do {
            let book = try open()
            let alarms = Mutex<[String]>([])
            book.onClientFrozen { name, freeze in alarms.withLock { $0.append("\(name): \(freeze.reason)") } }
            let client = book.client("billing")
            let dayLeft = (Self.now / 3_600 + 24) * 3_600 - Self.now
            #expect(client.reveal(20, now: Self.now) == .throttled(granted: 10, retryAfter: dayLeft))
            #expect(!client.isFrozen)
            for _ in 0..<5 { #expect(client.reveal(1, now: Self.now) == .exceeded(.revealsDay)) }
            #expect(client.isFrozen)
            #expect(alarms.withLock { $0 } == ["billing: past the hard limit of reveals_day"])
            #expect(book.freezesByItself.current == 1)
            book.saveChanges()
        }
        #expect(try open().client("billing").isFrozen)
    }

    @Test("an unfrozen client begins anew")
    func unfreezing() throws {
        defer { clean() }
        let book = try open()
        let client = book.client("billing")
        client.missed(6, now: Self.now)
        #expect(client.isFrozen)
        #expect(try book.unfreeze(.client("billing"))?.cause == .limit)
        #expect(!client.isFrozen)
        client.missed(5, now: Self.now)
        #expect(!client.isFrozen)
        client.missed(1, now: Self.now)
        #expect(client.isFrozen)
    }

    @Test("a reload changes limits, and keeps guards, counters and freezes, of clients that come back too")
    func reload() throws {
        defer { clean() }
        let book = try open()
        let client = book.client("billing")
        #expect(client.reveal(10, now: Self.now) == .allowed)
        book.adopt(
            try configuration(
                Self.yaml.replacing("reveals_day: {soft: 10, hard: 20}", with: "reveals_day: {hard: 11}")),
            Registry(provisionallyFor: ["cards", "other"]))
        #expect(book.client("billing") === client)
        #expect(client.reveal(1, now: Self.now) == .allowed)
        #expect(client.reveal(1, now: Self.now) == .exceeded(.revealsDay))
        let without = Self.yaml.split(separator: "\n").filter { !$0.contains("checkout") }.joined(separator: "\n")
        _ = book.freeze(.client("checkout"), Self.freeze())
        book.adopt(try configuration(without), Registry(provisionallyFor: ["cards", "other"]))
        #expect(book.guards.map(\.name) == ["billing"])
        book.adopt(try configuration(Self.yaml), Registry(provisionallyFor: ["cards", "other"]))
        #expect(book.client("checkout").isFrozen)
    }

    @Test("formats are frozen by name: their numbers may come later")
    func lateNumbers() throws {
        defer { clean() }
        let book = try open()
        _ = book.freeze(.format("other"), Self.freeze())
        let before = book.frozenFormats
        book.adopt(try configuration(Self.yaml), Registry(provisionallyFor: ["other", "cards"]))
        #expect(before != book.frozenFormats && book.frozenFormats.nonzeroBitCount == 1)
    }

    @Test("where the file is damaged everything is frozen, until an operator unfreezes, over any number of starts")
    func damaged() throws {
        defer { clean() }
        _ = try open()
        try directory.write([UInt8](repeating: 0, count: 8_192), to: "guard")
        #expect(try open().isAllFrozen)
        let book = try open()
        #expect(book.isAllFrozen)
        #expect(book.freezes[.all]?.cause == .damage)
        #expect(try book.unfreeze(.all) != nil)
        #expect(try !open().isAllFrozen)
    }

    @Test("damage to either copy loses no freeze", arguments: [0, 1])
    func oneCopy(copy: Int) throws {
        defer { clean() }
        do {
            let book = try open()
            _ = book.client("billing").reveal(1, now: Self.now)
            book.saveChanges()
            _ = book.freeze(.client("billing"), Self.freeze())
            #expect(book.save())
        }
        var bytes = try AtomicFile.read(path)
        bytes[copy * bytes.count / 2 + 100] ^= 1
        try directory.write(bytes, to: "guard")
        let book = try open()
        #expect(book.client("billing").isFrozen && !book.isAllFrozen)
    }

    @Test("a file that cannot be written changes nothing in memory, is told, and is tried again")
    func unwritable() throws {
        defer { clean() }
        let book = GuardBook(
            path: directory.path + "/missing/guard", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        book.adopt(try configuration(Self.yaml), Registry(provisionallyFor: ["cards", "other"]))
        #expect(!book.isSaved)
        _ = book.freeze(.all, Self.freeze())
        #expect(!book.save())
        #expect(throws: FileError.self) { try book.unfreeze(.all) }
        #expect(book.isAllFrozen)
        try directory.makeDirectory("missing")
        book.saveChanges()
        #expect(book.isSaved)
        unsafe remove(directory.path + "/missing/guard")
    }

    @Test("more freezes than the file was made for make it larger")
    func growing() throws {
        defer { clean() }
        let book = try open()
        for number in 0..<2_000 {
            _ = book.freeze(.client("client-\(number)"), Self.freeze(String(repeating: "x", count: 200)))
        }
        #expect(book.save())
        #expect(try open().freezes.count == 2_000)
    }

    @Test("counting from many threads loses nothing")
    func threads() async throws {
        defer { clean() }
        let book = try open(
            Self.yaml.replacing("reveals_day: {soft: 10, hard: 20}", with: "reveals_day: {soft: 100000}"))
        let client = book.client("billing")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<5_000 { _ = client.reveal(1, now: Self.now) } }
            }
        }
        #expect(client.usage(now: Self.now).first?.used == 20_000)
    }
}
