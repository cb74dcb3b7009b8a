import Glibc
import LMDB
import Testing

@testable import VaultCore

@Suite("What is left of a destroyed key")
struct ErasureTests {
    /// How many of some byte strings (of eight bytes at least) lie in a file, each where it begins.
    private func found(_ parts: Set<[UInt8]>, in bytes: [UInt8]) -> Int {
        var starts: [UInt64: [[UInt8]]] = [:]
        for part in parts { starts[UInt64(bigEndian: part.span, at: 0), default: []].append(part) }
        var seen: Set<[UInt8]> = []
        var window: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            window = window << 8 | UInt64(byte)
            guard index >= 7, let candidates = starts[window] else { continue }
            for part in candidates where bytes[(index - 7)...].starts(with: part) { seen.insert(part) }
        }
        return seen.count
    }

    /// Ciphertexts with their tags, of every record and every subject.
    private func ciphertexts(_ vault: TestVault, _ tokens: some Sequence<UInt64>) throws -> Set<[UInt8]> {
        let store = try #require(vault.store)
        let transaction = try store.environment.beginWrite()
        var parts: Set<[UInt8]> = []
        for token in tokens {
            parts.insert(Array(try #require(try copied(transaction, store.tables, token))[32..<64]))
            if let subject = try transaction.get(store.tables.subjects, token)?.copied {
                parts.insert(Array(subject.suffix(16)))
            }
        }
        return parts
    }

    private func compacted(_ vault: TestVault) throws -> [UInt8] {
        let path = vault.directory.path + "/copy.mdb"
        write([], to: path)
        let file = unsafe open(path, O_WRONLY)
        defer { close(file) }
        try vault.store?.environment.copyCompacted(toFileDescriptor: file)
        return try AtomicFile.read(path)
    }

    @Test("a copy of the database from before a destruction does not open with the keyring from after it")
    func copyOfBefore() throws {
        let (vault, held) = try TestVault.filled(150, seed: 51)
        let before = vault.keyring
        // A raw copy of the file, as a backup or a thief takes it.
        let raw = try AtomicFile.read(vault.directory.path + "/data.mdb")
        try vault.adopt(try vault.keyring.rotated(.data))
        #expect(try vault.moveAll(.data, by: 50) == (150, 0))
        try vault.adopt(try vault.keyring.destroyingRetired(.data))
        let after = try decoded(try encoded(vault.keyring))

        let copy = TemporaryDirectory()
        write(raw, to: copy.path + "/data.mdb")
        let stolen = try TestVault(directory: copy, keyring: after, isPrepared: true)
        for reveal in try stolen.reveal(Array(held.keys)) {
            #expect(reveal.status == .damaged)
            #expect(reveal.pan == 0)
        }
        let report = try stolen.verify()
        #expect(report.findings.count { $0.kind == .keyVersionUnknown } == 150)
        let store = try #require(stolen.store)
        var cipher = try RecordCipher(after)
        for token in held.keys {
            let transaction = try store.environment.beginWrite()
            let record = try #require(try copied(transaction, store.tables, token))
            guard let header = RecordHeader(record.span) else {
                Issue.record("no header")
                continue
            }
            var error: RecordError?
            do throws(RecordError) {
                _ = try cipher.open(record.span, header: header, token: token)
            } catch let failure {
                error = failure
            }
            #expect(error == .keyMissing(1))
        }
        // The control: the copy is sound, and opens with the keyring from before.
        let control = TemporaryDirectory()
        write(raw, to: control.path + "/data.mdb")
        let opened = try TestVault(directory: control, keyring: before, isPrepared: true)
        #expect(try opened.serves(held))
        #expect(try opened.verify().isSound)
        #expect(try vault.serves(held))
    }

    @Test("after a destruction and a compaction neither the old key nor what it sealed is in the data directory")
    func compaction() throws {
        let (vault, held) = try TestVault.filled(600, seed: 52)
        let root = RootKey.test()
        let keyringPath = vault.directory.path + "/keyring"
        try KeyringFile.store(vault.keyring, at: keyringPath, root: root)
        let old = try ciphertexts(vault, held.keys)
        #expect(old.count == 600 + held.values.count { !$0.subject.isEmpty })
        let oldKeys = Set(
            [KeyPurpose.data, .index].compactMap { vault.keyring.version($0, 1)?.keyBytes }.flatMap { key in
                stride(from: 0, to: 32, by: 8).map { Array(key[$0..<$0 + 8]) }
            })
        #expect(oldKeys.count == 8)
        #expect(found(old, in: try AtomicFile.read(vault.directory.path + "/data.mdb")) == old.count)
        let wrappedBefore = try AtomicFile.read(keyringPath)
        let wrapped = Set([0, 1].map { Array(wrappedBefore[128 + 104 * $0 + 44..<128 + 104 * $0 + 76]) })

        for purpose in [KeyPurpose.data, .index] {
            try vault.adopt(try vault.keyring.rotated(purpose))
            try KeyringFile.store(vault.keyring, at: keyringPath, root: root)
            #expect(try vault.moveAll(purpose, by: 50).passedOver == 0)
            try vault.adopt(try vault.keyring.destroyingRetired(purpose))
            try KeyringFile.store(vault.keyring, at: keyringPath, root: root)
        }
        // The control: freed pages keep what lay on them.
        let data = try AtomicFile.read(vault.directory.path + "/data.mdb")
        let left = found(old, in: data)
        print("old ciphertexts in data.mdb: \(left) of \(old.count) before a compaction")
        #expect(left > 0)

        let compact = try compacted(vault)
        #expect(unsafe unlink(vault.directory.path + "/copy.mdb") == 0)
        vault.close()
        write(compact, to: vault.directory.path + "/data.mdb")
        #expect(vault.directory.names == ["data.mdb", "keyring", "lock.mdb"])
        for name in vault.directory.names {
            let bytes = try AtomicFile.read(vault.directory.path + "/" + name)
            #expect(found(old, in: bytes) == 0, "\(name)")
            #expect(found(oldKeys, in: bytes) == 0, "\(name)")
            #expect(found(wrapped, in: bytes) == 0, "\(name)")
        }
        // Everything is served from what is left.
        try vault.open()
        #expect(try vault.serves(held))
        #expect(try vault.verify().isSound)
        let new = try ciphertexts(vault, held.keys)
        #expect(found(new, in: compact) == new.count)
        #expect(new.isDisjoint(with: old))
    }
}
