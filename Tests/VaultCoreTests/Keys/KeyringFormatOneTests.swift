import Testing

@testable import SecretMemory
@testable import VaultCore

@Suite("Keyring file, format 1")
struct KeyringFormatOneTests {
    /// What a version before receipts could write: rotated keys, and nothing beside them.
    private func old() throws -> Keyring {
        let keyring = try Keyring.create(now: 1_600_000_000).rotated(.data).rotated(.index)
        return Keyring(
            generation: keyring.generation, vaultID: keyring.vaultID,
            versions: keyring.without(.audit).versions + [try .made(.audit, 1, .destroyed), try .made(.audit, 2)])
    }

    @Test("a file of format 1 is read, with every key, and an empty annex")
    func read() throws {
        let keyring = try old()
        let file = try formatOne(keyring)
        #expect(file.count == 48 + 104 * 6 + 32)
        let read = try decoded(file)
        #expect(read.generation == keyring.generation)
        #expect(read.vaultID == keyring.vaultID)
        #expect(read.versions.map(\.number) == keyring.versions.map(\.number))
        #expect(read.versions.map(\.keyBytes) == keyring.versions.map(\.keyBytes))
        #expect(read.versions.map(\.state) == keyring.versions.map(\.state))
        #expect(read.annex == KeyringAnnex())
        #expect(read.root == RootDescription(kind: .file, since: 1_600_000_000))
    }

    @Test("the next change of a format 1 keyring is written in format 2, with the same keys")
    func upgrade() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/keyring"
        let file = try formatOne(try old())
        write(file, to: path)
        let read = try KeyringFile.load(from: path, root: RootKey.test())
        try KeyringFile.store(try read.rotated(.data), at: path, root: RootKey.test())
        let bytes = try AtomicFile.read(path)
        #expect(UInt32(bigEndian: bytes.span, at: 8) == 2)
        let upgraded = try KeyringFile.load(from: path, root: RootKey.test())
        #expect(upgraded.generation == read.generation + 1)
        for version in read.versions {
            #expect(upgraded.version(version.purpose, version.number)?.keyBytes == version.keyBytes)
        }
        #expect(upgraded.root.since == 1_600_000_000)
    }

    @Test("every byte of a format 1 file changed, and every prefix of it, is refused")
    func damage() throws {
        let file = try formatOne(try old())
        #expect(refusal(file) == nil)
        for position in file.indices {
            for value in [1, 0x80, 0xFF] as [UInt8] {
                var altered = file
                altered[position] ^= value
                #expect(refusal(altered) != nil, "byte \(position)")
            }
        }
        for count in 0..<file.count { #expect(refusal(Array(file[0..<count])) != nil, "\(count) bytes") }
        #expect(refusal(file + [0]) == .damaged)
        #expect(refusal(file, root: 8) == .wrongRootKey)
    }

    @Test("a file of one format under the other's number is refused, even under a right MAC")
    func crossed() throws {
        #expect(refusal(try resealed(try formatOne(try old())) { $0[11] = 2 }) != nil)
        #expect(refusal(try resealed(try encoded(try old())) { $0[11] = 1 }) == .damaged)
    }
}
