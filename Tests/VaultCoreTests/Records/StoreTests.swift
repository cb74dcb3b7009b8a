import LMDB
import Testing

@testable import VaultCore

@Suite("Store")
struct StoreTests {
    private func failure(_ directory: TemporaryDirectory, _ keyring: Keyring) -> StoreError? {
        do throws(StoreError) {
            _ = try Store(path: directory.path, mapBytes: 16 << 20, readers: 8, keyring: keyring)
            return nil
        } catch {
            return error
        }
    }

    /// Puts a value into the meta table of a closed vault.
    private func tamper(_ vault: TestVault, _ key: [UInt8], _ value: [UInt8]?) throws {
        let store = try #require(vault.store)
        var transaction = try store.environment.beginWrite()
        if let value {
            try transaction.put(store.tables.meta, key.span, value.span)
        } else {
            _ = try transaction.delete(store.tables.meta, key.span)
        }
        try transaction.commit()
        vault.close()
    }

    @Test("a database refuses the keyring of another vault and names both")
    func foreign() throws {
        let vault = try TestVault()
        vault.close()
        let other = try Keyring.create(now: 1)
        #expect(
            failure(vault.directory, other)
                == .foreignKeyring(database: vault.keyring.vaultID.text, keyring: other.vaultID.text))
        #expect(failure(vault.directory, vault.keyring) == nil)
    }

    @Test("a later generation of the same keyring is welcome")
    func generations() throws {
        let vault = try TestVault()
        vault.close()
        #expect(failure(vault.directory, try vault.keyring.rotated(.data).rotated(.index)) == nil)
    }

    @Test("a database of another schema is refused")
    func schema() throws {
        for schema in [0, 3, .max] as [UInt64] {
            let vault = try TestVault()
            var bytes: [UInt8] = []
            bytes.append(bigEndian: schema)
            try tamper(vault, MetaKey.schema, bytes)
            #expect(failure(vault.directory, vault.keyring) == .schema(schema))
        }
    }

    @Test("a database of schema 1 opens without a write, and its first write makes it schema 2")
    func schemaOne() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(4_111_111_111_111_111)
        try tamper(vault, MetaKey.schema, [0, 0, 0, 0, 0, 0, 0, 1])
        try vault.open(isPrepared: true)
        #expect(try vault.reveal(token).pan == 4_111_111_111_111_111)
        func schema() throws -> UInt64 {
            let store = try #require(vault.store)
            var transaction = try store.environment.beginWrite()
            return try transaction.counter(store.tables, MetaKey.schema)
        }
        #expect(try schema() == 1)
        try vault.reopen()
        #expect(try schema() == 2)
        #expect(try vault.reveal(token).pan == 4_111_111_111_111_111)
        #expect(try vault.verify().isSound)
    }

    @Test("a schema or vault id of another size is damage, whatever the size")
    func damagedOwner() throws {
        for (key, value) in [
            (MetaKey.schema, [1]), (MetaKey.schema, [UInt8](repeating: 0, count: 2_000)), (MetaKey.vault, []),
            (MetaKey.vault, [UInt8](repeating: 0, count: 17)), (MetaKey.vault, nil),
        ] as [([UInt8], [UInt8]?)] {
            let vault = try TestVault()
            try tamper(vault, key, value)
            guard case .damaged = failure(vault.directory, vault.keyring) else {
                Issue.record("opened with \(value?.count ?? -1) bytes")
                continue
            }
        }
    }

    @Test("a vault is never begun anew over one whose tables or schema cannot be seen")
    func neverAnew() throws {
        for table in ["tokens", "index", "subjects", "requests", "meta"] {
            let vault = try TestVault()
            _ = try vault.tokenize(4_111_111_111_111_111)
            vault.close()
            var bytes = try AtomicFile.read(vault.directory.path + "/data.mdb")
            // The name of a table in LMDB's own directory of them.
            let name = Array(table.utf8)
            for start in 0..<bytes.count - name.count where Array(bytes[start..<start + name.count]) == name {
                bytes[start] ^= 1
            }
            write(bytes, to: vault.directory.path + "/data.mdb")
            #expect(failure(vault.directory, vault.keyring) == .damaged("its tables"), "without \(table)")
            #expect(try AtomicFile.read(vault.directory.path + "/data.mdb") == bytes, "without \(table)")
        }
        let vault = try TestVault()
        try tamper(vault, MetaKey.schema, nil)
        #expect(failure(vault.directory, vault.keyring) == .damaged("schema version"))
    }

    @Test("a name, number or mask whose bits have changed is damage, and no new number is given")
    func registryDamage() throws {
        for prefix in [MetaKey.formatPrefix + Array("cards".utf8), MetaKey.purposePrefix + Array("charge".utf8)] {
            let vault = try TestVault()
            let store = try #require(vault.store)
            var transaction = try store.environment.beginWrite()
            let value = try #require(try transaction.meta(store.tables, prefix))
            // Under another name, as a flipped bit in the key would have it.
            var renamed = prefix
            renamed[renamed.count - 1] ^= 1
            _ = try transaction.delete(store.tables.meta, prefix.span)
            try transaction.put(store.tables.meta, renamed.span, value.span)
            try transaction.commit()
            let error = #expect(throws: StoreError.self) {
                try store.prepare(keyring: vault.keyring, formats: ["cards"], purposes: ["charge"])
            }
            #expect(
                error == .damaged(prefix.starts(with: MetaKey.formatPrefix) ? "format registry" : "purpose registry"))
            #expect(try vault.verify().findings.contains { $0.table == .meta && $0.kind == .layoutInvalid })
        }
        let vault = try TestVault()
        let item = try vault.tokenize(Order(pan: 4_111_111_111_111_111, format: 1, purposes: 1))
        func flip(_ bit: Int) throws {
            let store = try #require(vault.store)
            var transaction = try store.environment.beginWrite()
            let key = MetaKey.purposeSet(1)
            var value = try #require(try transaction.meta(store.tables, key))
            #expect(value.count == 16)
            value[bit / 8] ^= 1 << UInt8(bit % 8)
            try transaction.put(store.tables.meta, key.span, value.span)
            try transaction.commit()
        }
        for bit in 0..<128 {
            try flip(bit)
            try vault.reopen()
            #expect(try vault.reveal(item.token, purpose: 1).status == .damaged)
            #expect(try vault.verify().findings.contains { $0.kind == .purposeSetUnknown })
            try flip(bit)
        }
        try vault.reopen()
        #expect(try vault.reveal(item.token, purpose: 1).status == .revealed)
    }

    @Test("a store opens once per process")
    func twice() throws {
        let vault = try TestVault()
        #expect(failure(vault.directory, vault.keyring) == .lmdb(LMDBError(.alreadyOpen, .open)))
    }

    @Test("everything is still there after reopening")
    func reopen() throws {
        let vault = try TestVault()
        let token = try vault.tokenize(4_111_111_111_111_111, subject: "s")
        for _ in 0..<3 {
            try vault.reopen()
            #expect(try vault.reveal(token).pan == 4_111_111_111_111_111)
            #expect(try vault.tokenize(4_111_111_111_111_111, subject: "s") == token)
        }
        #expect(try vault.verify().isSound)
    }

    @Test("ids stay with their names when the configuration is reordered, shortened and taken up again")
    func registryIsStable() throws {
        let names = ["one", "two", "three"]
        let vault = try TestVault(names.map { TestFormat(name: $0) })
        let ids = names.map(vault.id)
        #expect(ids == [1, 2, 3])
        let token = try vault.tokenize(4_111_111_111_111_111, "two")
        for order in [["three", "one", "two"], ["new", "two"], ["one"], ["two", "three", "one", "new"]] {
            try vault.reopen(formats: order.map { TestFormat(name: $0) })
            for (name, id) in zip(names, ids) { #expect(vault.registry.formatID(name) == id) }
            #expect(
                try vault.reveal(token, formats: 1 << 2).status == (order.contains("two") ? .revealed : .purposeDenied))
        }
        #expect(vault.id("new") == 4)
        #expect(vault.registry.formatName(4) == "new")
        let two = Array("two".utf8)
        #expect(vault.registry.formatID(two.span) == 2)
        #expect(vault.registry.formatID(Array("tw".utf8).span) == nil)
        #expect(vault.registry.formatID(Array("twoo".utf8).span) == nil)
        #expect(try vault.store?.registry().formatID("three") == 3)
    }

    @Test("purposes keep their bits, and sixty-four are the most")
    func purposes() throws {
        let vault = try TestVault(purposes: (0..<64).map { "p\($0)" })
        for bit in 0..<64 { #expect(vault.registry.purposeMask("p\(bit)") == 1 << UInt64(bit)) }
        #expect(vault.registry.purposeNames(0b101) == ["p0", "p2"])
        #expect(vault.registry.purposeMask("absent") == nil)
        let store = try #require(vault.store)
        let error = #expect(throws: StoreError.self) {
            try store.prepare(keyring: vault.keyring, formats: [], purposes: ["one too many"])
        }
        #expect(error == .registryFull("purposes", 64))
    }

    @Test("sixty-three formats are taken, the next is refused and leaves the others alone")
    func manyFormats() throws {
        let names = (1...63).map { "f\($0)" }
        let vault = try TestVault(names.map { TestFormat(name: $0) })
        for (index, name) in names.enumerated() { #expect(vault.id(name) == UInt16(index + 1)) }
        let token = try vault.tokenize(4_111_111_111_111_111, "f63")
        #expect(try vault.reveal(token, formats: 1 << 63).status == .revealed)
        #expect(try vault.reveal(token, formats: 1 << 62).status == .missing)
        let store = try #require(vault.store)
        let error = #expect(throws: StoreError.self) {
            try store.prepare(keyring: vault.keyring, formats: ["f64"], purposes: [])
        }
        #expect(error == .registryFull("formats", 63))
        #expect(try store.registry().formatID("f64") == nil)
        #expect(try store.registry().formatID("f1") == 1)
    }

    @Test("each start counts a reserve of encryptions, and each write its own")
    func encryptions() throws {
        let vault = try TestVault()
        func counted() throws -> UInt64 {
            let store = try #require(vault.store)
            var transaction = try store.environment.beginWrite()
            return try transaction.counter(store.tables, MetaKey.encryptions(1))
        }
        #expect(try counted() == Store.encryptionsReserve)
        _ = try vault.tokenize([
            Order(pan: 4_111_111_111_111_111, format: 1), Order(pan: 4_111_111_111_111_111, format: 1),
        ])
        #expect(try counted() == Store.encryptionsReserve + 1)
        _ = try vault.tokenize(4_111_111_111_111_111, subject: "s")
        #expect(try counted() == Store.encryptionsReserve + 3)
        try vault.reopen()
        #expect(try counted() == 2 * Store.encryptionsReserve + 3)
    }
}
