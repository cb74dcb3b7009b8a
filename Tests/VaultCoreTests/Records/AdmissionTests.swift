import Glibc
import LMDB
import Testing

@testable import VaultCore

/// A machine with a vault on it: what a start does, step by step, and what a crash leaves of it.
private final class Machine {
    let directory: TemporaryDirectory
    private(set) var keyring: Keyring

    var keyringPath: String { directory.path + "/keyring" }
    var epochPath: String { directory.path + "/epoch" }

    init() throws {
        directory = TemporaryDirectory()
        keyring = try Keyring.create(now: 1)
        try KeyringFile.store(keyring, at: keyringPath, root: RootKey.test())
        _ = try Store(path: directory.path, mapBytes: 16 << 20, readers: 4, keyring: keyring)
    }

    /// A copy of another machine's files, in a directory of its own.
    init(copyOf other: Machine) throws {
        directory = TemporaryDirectory()
        keyring = other.keyring
        for name in ["keyring", "epoch", "data.mdb"] where other.directory.names.contains(name) {
            write(try AtomicFile.read(other.directory.path + "/" + name), to: directory.path + "/" + name)
        }
    }

    func file(_ name: String) throws -> [UInt8] { try AtomicFile.read(directory.path + "/" + name) }

    /// Puts a file back in place, as a restore does that keeps the file itself.
    func restore(_ name: String, _ bytes: [UInt8]) { write(bytes, to: directory.path + "/" + name) }

    /// What a start would find; the error where it is refused.
    func admission() throws -> Result<Admission, StoreError> {
        let keyring = try KeyringFile.load(from: keyringPath, root: RootKey.test())
        let store = try Store(path: directory.path, mapBytes: 16 << 20, readers: 4, keyring: keyring)
        let place = try DatabasePlace.of(directory.path)
        do throws(StoreError) {
            return .success(try store.admission(keyring, epoch: EpochFile.read(epochPath), place: place))
        } catch {
            return .failure(error)
        }
    }

    /// The steps of a start with a rotation in it, in their order.
    static let steps = 6

    /// Starts, with a rotation before the start is settled, and crashes before step `end`.
    func start(crashBefore end: Int = steps) throws {
        keyring = try KeyringFile.load(from: keyringPath, root: RootKey.test())
        let store = try Store(path: directory.path, mapBytes: 16 << 20, readers: 4, keyring: keyring)
        let next = try keyring.rotated(.data)
        let epoch = EpochFile.drawn()
        let place = try DatabasePlace.of(directory.path)
        let steps: [() throws -> Void] = [
            { try store.intendKeyring(next.generation, after: self.keyring.generation) },
            { try KeyringFile.store(next, at: self.keyringPath, root: RootKey.test()) },
            { try store.settleKeyring(next.generation) },
            { try store.intendEpoch(epoch, after: EpochFile.read(self.epochPath)) },
            { try EpochFile.write(epoch, to: self.epochPath) },
            { try store.settleStart(generation: next.generation, epoch: epoch, place: place) },
        ]
        for step in steps.prefix(end) { try step() }
        keyring = try KeyringFile.load(from: keyringPath, root: RootKey.test())
    }
}

@Suite("Telling a restored database")
struct AdmissionTests {
    private func isDisplaced(_ machine: Machine, _ text: String) throws -> Bool {
        guard case .success(.displaced(let reason)) = try machine.admission() else { return false }
        return reason.contains(text)
    }

    @Test("a fresh vault and a restarted one go on")
    func fresh() throws {
        let machine = try Machine()
        #expect(try machine.admission() == .success(.continued))
        for _ in 0..<3 {
            try machine.start()
            #expect(try machine.admission() == .success(.continued))
        }
    }

    @Test("a crash before any step of the first start, and two or three in a row, is no restored copy")
    func firstStart() throws {
        for one in 0...Machine.steps {
            for other in 0...Machine.steps {
                for third in 0...Machine.steps {
                    let machine = try Machine()
                    for end in [one, other, third] {
                        try machine.start(crashBefore: end)
                        #expect(try machine.admission() == .success(.continued), "\(one), \(other), \(third)")
                    }
                }
            }
        }
    }

    @Test("nor is a crash before any step of a later start, two or three in a row")
    func laterStart() throws {
        for one in 0...Machine.steps {
            for other in 0...Machine.steps {
                for third in 0...Machine.steps {
                    let machine = try Machine()
                    try machine.start()
                    for end in [one, other, third] {
                        try machine.start(crashBefore: end)
                        #expect(try machine.admission() == .success(.continued), "\(one), \(other), \(third)")
                    }
                    try machine.start()
                    #expect(try machine.admission() == .success(.continued))
                }
            }
        }
    }

    @Test("an older keyring is refused by both generations, after a crash before its settling too")
    func olderKeyring() throws {
        let machine = try Machine()
        let first = try machine.file("keyring")
        try machine.start()
        let second = try machine.file("keyring")
        machine.restore("keyring", first)
        #expect(try machine.admission() == .failure(.olderKeyring(database: 2, keyring: 1)))
        machine.restore("keyring", second)
        #expect(try machine.admission() == .success(.continued))
        try machine.start(crashBefore: 3)
        machine.restore("keyring", second)
        #expect(try machine.admission() == .failure(.olderKeyring(database: 3, keyring: 2)))
        machine.restore("keyring", first)
        #expect(try machine.admission() == .failure(.olderKeyring(database: 3, keyring: 1)))
    }

    @Test("an older database beside a newer keyring or a newer epoch is displaced")
    func olderDatabase() throws {
        let machine = try Machine()
        try machine.start()
        let (database, keyring) = (try machine.file("data.mdb"), try machine.file("keyring"))
        try machine.start()
        let newer = try machine.file("data.mdb")
        machine.restore("data.mdb", database)
        #expect(try isDisplaced(machine, "the keyring is newer"))
        // The keyring too, so that only the epoch tells.
        machine.restore("keyring", keyring)
        #expect(try isDisplaced(machine, "different starts"))
        machine.restore("data.mdb", newer)
        #expect(try machine.admission() == .failure(.olderKeyring(database: 3, keyring: 2)))
    }

    @Test("a database from before its first start is displaced beside an epoch file")
    func beforeFirstStart() throws {
        let machine = try Machine()
        let (database, keyring) = (try machine.file("data.mdb"), try machine.file("keyring"))
        try machine.start()
        machine.restore("data.mdb", database)
        machine.restore("keyring", keyring)
        #expect(try isDisplaced(machine, "before its last start"))
    }

    @Test("a missing, foreign or cut epoch file is displaced")
    func epochFile() throws {
        let machine = try Machine()
        try machine.start()
        let epoch = try machine.file("epoch")
        #expect(epoch.count == 16)
        #expect(Array(epoch[0..<8]) == Array("SREPOCH1".utf8))
        for bytes in [[], Array(epoch.dropLast()), epoch + [0], Array("SREPOCH2".utf8) + epoch.suffix(8)] {
            machine.restore("epoch", bytes)
            #expect(EpochFile.read(machine.epochPath) == nil)
            #expect(try isDisplaced(machine, "epoch file is missing"))
        }
        machine.restore("epoch", Array(epoch.dropLast()) + [epoch[15] ^ 1])
        #expect(try isDisplaced(machine, "different starts"))
        machine.restore("epoch", epoch)
        #expect(try machine.admission() == .success(.continued))
        #expect(unsafe unlink(machine.epochPath) == 0)
        #expect(try isDisplaced(machine, "epoch file is missing"))
    }

    @Test("a copied directory is displaced, and stays so until a start there is settled")
    func copied() throws {
        let machine = try Machine()
        try machine.start()
        let copy = try Machine(copyOf: machine)
        #expect(try isDisplaced(copy, "another place"))
        for end in 0..<Machine.steps {
            try copy.start(crashBefore: end)
            #expect(try isDisplaced(copy, "another place"), "step \(end)")
        }
        try copy.start()
        #expect(try copy.admission() == .success(.continued))
        #expect(try machine.admission() == .success(.continued))
    }

    @Test("a restored database is displaced after a crash in every step before the new key is there")
    func crashWhileDisplaced() throws {
        for end in 0..<2 {
            let machine = try Machine()
            try machine.start()
            let (database, epoch) = (try machine.file("data.mdb"), try machine.file("epoch"))
            try machine.start()
            // The epoch too, so that only the keyring tells.
            machine.restore("data.mdb", database)
            machine.restore("epoch", epoch)
            #expect(try isDisplaced(machine, "the keyring is newer"))
            for _ in 0..<3 {
                try machine.start(crashBefore: end)
                #expect(try isDisplaced(machine, "the keyring is newer"), "a crash before step \(end)")
            }
            // The new key is in place: what is encrypted from now on is under it.
            try machine.start(crashBefore: 2)
            #expect(try machine.admission() == .success(.continued))
        }
    }

    @Test("epochs are never 0 and never the same twice")
    func epochs() {
        var drawn: Set<UInt64> = []
        for _ in 0..<1_000 { drawn.insert(EpochFile.drawn()) }
        #expect(drawn.count == 1_000)
        #expect(!drawn.contains(0))
    }

    @Test("a database that needs a key which was destroyed since then is refused, with what it needs")
    func keyDestroyed() throws {
        let vault = try TestVault()
        #expect(try vault.tokenize(4_111_111_111_111_111) != 0)
        let store = try #require(vault.store)
        let place = try DatabasePlace.of(vault.directory.path)
        try store.settleStart(generation: vault.keyring.generation, epoch: 7, place: place)
        for purpose in [KeyPurpose.data, .index] {
            let rotated = try vault.keyring.rotating(purpose, now: 2, by: .automatic, reason: .operatorCommand)
            #expect(
                try store.admission(rotated, epoch: 7, place: place)
                    == .displaced("the keyring is newer than the database"))
            let without = try rotated.destroying(purpose, 1, now: 3, recordsMoved: 0, by: .automatic)
            #expect(throws: StoreError.keyDestroyed(purpose, 1, 1)) {
                try store.admission(without, epoch: 7, place: place)
            }
        }
    }
}
