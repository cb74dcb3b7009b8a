import Glibc
import Testing

@testable import SecretMemory
@testable import VaultCore

@Suite("Keyring file")
struct KeyringFileTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/keyring" }

    /// A keyring with every state: data 1 destroyed, 2 retiring, 3 active; index 1; audit 1.
    private func rich() throws -> Keyring {
        let first = try Keyring.create(now: 1_700_000_000)
        let rotated = try first.rotated(.data).destroyingRetired(.data).rotated(.data)
        return Keyring(
            generation: rotated.generation, vaultID: rotated.vaultID,
            versions: rotated.versions + [try KeyVersion.made(.audit, 1)])
    }

    @Test("a keyring reads back as it was written, keys, states and dates")
    func roundTrip() throws {
        let keyring = try rich()
        try KeyringFile.store(keyring, at: path, root: RootKey.test())
        #expect(mode(of: path) == 0o600)
        let read = try KeyringFile.load(from: path, root: RootKey.test())
        #expect(read.generation == keyring.generation)
        #expect(read.vaultID == keyring.vaultID)
        #expect(read.versions.count == keyring.versions.count)
        for (one, other) in zip(read.versions, keyring.versions) {
            #expect(one.purpose == other.purpose)
            #expect(one.number == other.number)
            #expect(one.state == other.state)
            #expect(one.created == other.created)
            #expect(one.retired == other.retired)
            #expect(one.destroyed == other.destroyed)
            #expect(one.keyBytes == other.keyBytes)
        }
        #expect(read.active(.data)?.number == 3)
        #expect(read.usable(.data).map(\.number) == [3, 2])
        #expect(read.usable(.index).map(\.number) == [1])
        #expect(read.active(.audit)?.number == 1)
    }

    @Test("the file has the documented layout and size")
    func layout() throws {
        let keyring = try rich()
        let bytes = try encoded(keyring)
        #expect(bytes.count == 48 + 104 * 5 + 32)
        #expect(Array(bytes[0..<8]) == Array("SRKEYRNG".utf8))
        #expect(UInt32(bigEndian: bytes.span, at: 8) == 1)
        #expect(UInt32(bigEndian: bytes.span, at: 12) == 5)
        #expect(UInt64(bigEndian: bytes.span, at: 16) == keyring.generation)
        #expect(UInt64(bigEndian: bytes.span, at: 24) == keyring.vaultID.high)
        #expect(UInt64(bigEndian: bytes.span, at: 32) == keyring.vaultID.low)
    }

    @Test("no key lies in the file in clear, and two writings of one keyring share no ciphertext")
    func wrapped() throws {
        let keyring = try rich()
        let one = try encoded(keyring)
        let other = try encoded(keyring)
        for version in keyring.versions where version.state != .destroyed {
            #expect(!contains(one, Array(version.keyBytes[0..<8])))
        }
        #expect(one[48 + 104 + 44..<48 + 104 + 76] != other[48 + 104 + 44..<48 + 104 + 76])
    }

    @Test("a destroyed version keeps its dates and has no key bytes, in memory or in the file")
    func destroyed() throws {
        let before = try Keyring.create(now: 5).rotated(.data)
        let old = try #require(before.versions.first { $0.purpose == .data && $0.number == 1 })
        let oldBytes = old.keyBytes
        #expect(oldBytes.count == 32)
        let after = try before.destroyingRetired(.data)
        let bytes = try encoded(after)
        let read = try decoded(bytes)
        let version = try #require(read.versions.first { $0.purpose == .data && $0.number == 1 })
        #expect(version.state == .destroyed)
        #expect(version.destroyed == 1_700_000_002)
        #expect(version.keyBytes.isEmpty)
        #expect(bytes[48 + 32..<48 + 104].allSatisfy { $0 == 0 })
        #expect(!read.usable(.data).contains { $0.number == 1 })
    }

    @Test("every single bit flipped is refused")
    func bitFlips() throws {
        let bytes = try encoded(try Keyring.create(now: 1))
        for position in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[position] ^= 1 << bit
                #expect(refusal(altered) != nil, "byte \(position), bit \(bit)")
            }
        }
    }

    @Test("every byte set to every other value is refused", arguments: [0x00, 0xFF, 0x55] as [UInt8])
    func byteChanges(value: UInt8) throws {
        let bytes = try encoded(try Keyring.create(now: 1))
        for position in bytes.indices where bytes[position] != value {
            var altered = bytes
            altered[position] = value
            #expect(refusal(altered) != nil, "byte \(position)")
        }
    }

    @Test("every prefix and every longer file is refused")
    func truncation() throws {
        let bytes = try encoded(try rich())
        for count in 0..<bytes.count { #expect(refusal(Array(bytes[0..<count])) != nil, "\(count) bytes") }
        for extra in [1, 32, 104] {
            #expect(refusal(bytes + [UInt8](repeating: 0, count: extra)) != nil)
        }
        #expect(refusal(bytes) == nil)
    }

    @Test("the wrong root key is told from damage")
    func wrongRootKey() throws {
        let bytes = try encoded(try rich(), root: 1)
        #expect(refusal(bytes, root: 2) == .wrongRootKey)
        var damaged = bytes
        damaged[100] ^= 1
        #expect(refusal(damaged, root: 1) == .damaged)
        #expect(refusal(damaged, root: 2) == .wrongRootKey)
    }

    @Test("other files and later formats are named")
    func notAKeyring() throws {
        #expect(refusal([]) == .notAKeyring)
        #expect(
            refusal(Array("hello, this is not a keyring at all, but a text file of some size".utf8)) == .notAKeyring)
        var later = try encoded(try rich())
        later[11] = 2
        #expect(refusal(later) == .unsupportedFormat(2))
        var huge = try encoded(try rich())
        for index in 12..<16 { huge[index] = 0xFF }
        #expect(refusal(huge) == .damaged)
        let error = #expect(throws: KeyringError.self) { try KeyringFile.load(from: path, root: RootKey.test()) }
        #expect(error == .missing(path: path))
    }

    @Test("swapped, repeated or foreign entries are refused even under a right MAC")
    func entries() throws {
        let bytes = try encoded(try Keyring.create(now: 1).rotated(.data))
        let count = 3
        let entries = (0..<count).map { Array(bytes[48 + 104 * $0..<48 + 104 * ($0 + 1)]) }
        func rebuilt(_ entries: [[UInt8]], vault: [UInt8]? = nil) throws -> [UInt8] {
            var body = Array(bytes[0..<12])
            body.append(bigEndian: UInt32(entries.count))
            body += bytes[16..<24]
            body += vault ?? Array(bytes[24..<40])
            body += bytes[40..<48]
            for entry in entries { body += entry }
            return try body + keyringMAC(body)
        }
        // The order means nothing by itself: a whole entry, elsewhere in the file, is the same entry.
        #expect(refusal(try rebuilt([entries[2], entries[1], entries[0]])) == nil)
        #expect(refusal(try rebuilt([entries[0], entries[0], entries[1]])) == .damaged)
        #expect(refusal(try rebuilt([entries[0], entries[1]])) == .damaged)
        #expect(refusal(try rebuilt([])) == .damaged)
        // Wrapped keys exchanged under their headers.
        let crossed = [
            Array(entries[0][0..<32]) + Array(entries[1][32..<104]),
            Array(entries[1][0..<32]) + Array(entries[0][32..<104]), entries[2],
        ]
        #expect(refusal(try rebuilt(crossed)) == .damaged)
        // Another vault's id, or any field of a header.
        #expect(refusal(try rebuilt(entries, vault: [UInt8](repeating: 9, count: 16))) == .damaged)
        for position in 0..<32 {
            var altered = entries
            altered[2][position] ^= 1
            #expect(refusal(try rebuilt(altered)) == .damaged, "byte \(position) of an entry")
        }
        // An entry of another keyring under the same root key.
        let foreign = try encoded(try Keyring.create(now: 1))
        #expect(refusal(try rebuilt([Array(foreign[48..<152]), entries[1], entries[2]])) == .damaged)
    }

    @Test("bytes that no one covers are zero or refused")
    func reservedBytes() throws {
        let keyring = try Keyring.create(now: 5).rotated(.data).destroyingRetired(.data)
        let bytes = try encoded(keyring)
        for position in [48 + 2, 48 + 3] + Array(48 + 32..<48 + 104) + Array(48 + 104 + 92..<48 + 208) {
            var body = Array(bytes.dropLast(32))
            body[position] = 1
            #expect(refusal(try body + keyringMAC(body)) == .damaged, "byte \(position)")
        }
    }

    @Test("a failed replacement leaves the earlier generation readable")
    func replacement() throws {
        let first = try Keyring.create(now: 1)
        try KeyringFile.store(first, at: path, root: RootKey.test())
        let second = try first.rotated(.data)
        try KeyringFile.store(second, at: path, root: RootKey.test())
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        let senseless = Keyring(generation: 3, vaultID: second.vaultID, versions: [])
        #expect(throws: KeyringError.damaged) { try KeyringFile.store(senseless, at: path, root: RootKey.test()) }
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        #expect(directory.names == ["keyring"])
    }
}

/// Whether some bytes contain others.
func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard part.count <= bytes.count else { return false }
    return (0...bytes.count - part.count).contains {
        bytes[$0] == part[0] && Array(bytes[$0..<$0 + part.count]) == part
    }
}
