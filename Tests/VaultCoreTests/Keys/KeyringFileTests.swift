import Glibc
import Testing

@testable import SecretMemory
@testable import VaultCore

@Suite("Keyring file")
struct KeyringFileTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/keyring" }

    @Test("a keyring reads back as it was written, keys, states and dates")
    func roundTrip() throws {
        let keyring = try Keyring.rich()
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
        #expect(read.annex == keyring.annex)
        #expect(read.annex.receipts.count == 1)
        #expect(read.annex.rotations.count == 1)
        #expect(read.annex.pending.count == 1)
        #expect(read.annex.custodians.count == 1)
        #expect(read.root == keyring.root)
    }

    @Test("the file has the documented layout and size")
    func layout() throws {
        let keyring = try Keyring.rich()
        let bytes = try encoded(keyring)
        let annex = keyring.annex.encoded
        #expect(bytes.count == 128 + 104 * 5 + annex.count + 32)
        #expect(Array(bytes[0..<8]) == Array("SRKEYRNG".utf8))
        #expect(UInt32(bigEndian: bytes.span, at: 8) == 2)
        #expect(UInt32(bigEndian: bytes.span, at: 12) == 5)
        #expect(UInt64(bigEndian: bytes.span, at: 16) == keyring.generation)
        #expect(UInt64(bigEndian: bytes.span, at: 24) == keyring.vaultID.high)
        #expect(UInt64(bigEndian: bytes.span, at: 32) == keyring.vaultID.low)
        #expect(Array(bytes[48..<56]) == [1, 0, 0, 0, 0, 0, 0, 0])
        #expect(UInt64(bigEndian: bytes.span, at: 56) == 1_700_000_000)
        #expect(bytes[64..<124].allSatisfy { $0 == 0 })
        #expect(UInt32(bigEndian: bytes.span, at: 124) == UInt32(annex.count))
        #expect(Array(bytes[(128 + 104 * 5)..<(bytes.count - 32)]) == annex)
    }

    @Test("no key lies in the file in clear, and two writings of one keyring share no ciphertext")
    func wrapped() throws {
        let keyring = try Keyring.rich()
        let one = try encoded(keyring)
        let other = try encoded(keyring)
        for version in keyring.versions where version.state != .destroyed {
            #expect(!contains(one, Array(version.keyBytes[0..<8])))
        }
        #expect(one[128 + 104 + 44..<128 + 104 + 76] != other[128 + 104 + 44..<128 + 104 + 76])
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
        #expect(bytes[128 + 32..<128 + 104].allSatisfy { $0 == 0 })
        #expect(!read.usable(.data).contains { $0.number == 1 })
    }

    @Test("every single bit flipped is refused, in header, keys, annex and code")
    func bitFlips() throws {
        let bytes = try encoded(try Keyring.rich())
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
        let bytes = try encoded(try Keyring.rich())
        for position in bytes.indices where bytes[position] != value {
            var altered = bytes
            altered[position] = value
            #expect(refusal(altered) != nil, "byte \(position)")
        }
    }

    @Test("every prefix and every longer file is refused")
    func truncation() throws {
        let bytes = try encoded(try Keyring.rich())
        for count in 0..<bytes.count { #expect(refusal(Array(bytes[0..<count])) != nil, "\(count) bytes") }
        for extra in [1, 32, 104] {
            #expect(refusal(bytes + [UInt8](repeating: 0, count: extra)) != nil)
        }
        #expect(refusal(bytes) == nil)
    }

    @Test("the wrong root key is told from damage")
    func wrongRootKey() throws {
        let bytes = try encoded(try Keyring.rich(), root: 1)
        #expect(refusal(bytes, root: 2) == .wrongRootKey)
        var damaged = bytes
        damaged[140] ^= 1
        #expect(refusal(damaged, root: 1) == .damaged)
        #expect(refusal(damaged, root: 2) == .wrongRootKey)
    }

    @Test("other files and later formats are named")
    func notAKeyring() throws {
        #expect(refusal([]) == .notAKeyring)
        #expect(
            refusal(Array("hello, this is not a keyring at all, but a text file of some size".utf8)) == .notAKeyring)
        var later = try encoded(try Keyring.rich())
        later[11] = 3
        #expect(refusal(later) == .unsupportedFormat(3))
        later[11] = 0
        #expect(refusal(later) == .unsupportedFormat(0))
        var huge = try encoded(try Keyring.rich())
        for index in 12..<16 { huge[index] = 0xFF }
        #expect(refusal(huge) == .damaged)
        let error = #expect(throws: KeyringError.self) { try KeyringFile.load(from: path, root: RootKey.test()) }
        #expect(error == .missing(path: path))
    }

    @Test("swapped, repeated or foreign entries are refused even under a right MAC")
    func entries() throws {
        let bytes = try encoded(try Keyring.create(now: 1).without(.audit).rotated(.data))
        let count = 3
        let entries = (0..<count).map { Array(bytes[128 + 104 * $0..<128 + 104 * ($0 + 1)]) }
        func rebuilt(_ entries: [[UInt8]], vault: [UInt8]? = nil) throws -> [UInt8] {
            var body = Array(bytes[0..<12])
            body.append(bigEndian: UInt32(entries.count))
            body += bytes[16..<24]
            body += vault ?? Array(bytes[24..<40])
            body += bytes[40..<128]
            for entry in entries { body += entry }
            body += bytes[(128 + 104 * count)..<(bytes.count - 32)]
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
        #expect(refusal(try rebuilt([Array(foreign[128..<232]), entries[1], entries[2]])) == .damaged)
    }

    @Test("bytes that no one covers are zero or refused")
    func reservedBytes() throws {
        let keyring = try Keyring.create(now: 5).rotated(.data).destroyingRetired(.data)
        let bytes = try encoded(keyring)
        let header = Array(64..<124)
        let destroyed = [128 + 2, 128 + 3] + Array(128 + 32..<128 + 104)
        for position in header + destroyed + Array(128 + 104 + 92..<128 + 208) {
            #expect(refusal(try resealed(bytes) { $0[position] = 1 }) == .damaged, "byte \(position)")
        }
    }

    @Test("an unknown kind of root key, a wrapped key of 61 bytes and a size that is not the annex's are refused")
    func rootFields() throws {
        let bytes = try encoded(try Keyring.rich())
        #expect(refusal(try resealed(bytes) { _ in }) == nil)
        for kind in [0, 5, 255] as [UInt8] {
            #expect(refusal(try resealed(bytes) { $0[48] = kind }) == .damaged, "kind \(kind)")
        }
        for size in [61, 255] as [UInt8] {
            #expect(refusal(try resealed(bytes) { $0[51] = size }) == .damaged, "wrapped \(size)")
        }
        let annexBytes = UInt32(bigEndian: bytes.span, at: 124)
        for size in [0, 1, annexBytes - 1, annexBytes + 1, UInt32(KeyringAnnex.bytesMax) + 1, .max] as [UInt32] {
            let altered = try resealed(bytes) { body in
                for index in 0..<4 { body[124 + index] = UInt8(truncatingIfNeeded: size >> UInt32(24 - 8 * index)) }
            }
            #expect(refusal(altered) == .damaged, "annex of \(size)")
        }
    }

    @Test("every kind of root key and what is wrapped beside it come back, and may be read without the root key")
    func rootDescription() throws {
        for kind in RootKind.allCases {
            for size in [0, 1, 40, 60] {
                let keyring = try Keyring.create(now: 9).described {
                    $0.kind = kind
                    $0.threshold = 3
                    $0.count = 5
                    $0.setID = 0xA1B2_C3D4
                    $0.since = 77
                    $0.wrapped = [UInt8](repeating: 0xEE, count: size)
                }
                try KeyringFile.store(keyring, at: path, root: RootKey.test())
                #expect(try KeyringFile.load(from: path, root: RootKey.test()).root == keyring.root)
                let header = try KeyringFile.header(of: path)
                #expect(header.root == keyring.root)
                #expect(header.vaultID == keyring.vaultID)
                #expect(header.generation == keyring.generation)
            }
        }
    }

    @Test("the annex of an earlier generation is refused in a later file")
    func olderAnnex() throws {
        let older = try Keyring.rich()
        let newer = try older.destroyingRetired(.data)
        let (before, after) = (older.annex.encoded, newer.annex.encoded)
        let file = try encoded(newer)
        // Under the old code it is edited bytes.
        var body = Array(file.dropLast(32 + after.count)) + before
        for index in 0..<4 { body[124 + index] = UInt8(truncatingIfNeeded: before.count >> (24 - 8 * index)) }
        #expect(refusal(body + file.suffix(32)) == .damaged)
        #expect(refusal(file) == nil)
    }
}

/// Whether some bytes contain others.
func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
    guard part.count <= bytes.count else { return false }
    return (0...bytes.count - part.count).contains {
        bytes[$0] == part[0] && Array(bytes[$0..<$0 + part.count]) == part
    }
}
