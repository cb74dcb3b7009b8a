import OpenSSLCrypto
import Testing

@testable import VaultCore

@Suite("Checkpoints and signed notes")
struct CheckpointTests {
    /// The key, text and note of the tests of Go's `sumdb/note`, which the C2SP format is that of.
    static let peterKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    static let peterSeed = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    static let peterText = """
        If you think cryptography is the answer to your problem,
        then you don't know what your problem is.

        """
    static let peterNote =
        peterText + "\n\u{2014} PeterNeumann "
        + "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

    static let seed = [UInt8](repeating: 3, count: 32)
    static let origin = "strongroom.0123456789abcdef0123456789abcdef"

    private static func peter() throws -> VerifierKey {
        let key = try VerifierKey(peterKey)
        return try #require(key)
    }

    private static func ours(_ signing: borrowing Ed25519SigningKey) throws -> VerifierKey {
        let key = try VerifierKey(name: origin, of: signing)
        return try #require(key)
    }

    @Test("a key of the checksum database of Go and the published example are read and written alike")
    func publishedKeys() throws {
        for text in [
            "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", Self.peterKey,
            "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
            "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        ] {
            #expect(try VerifierKey(text)?.text == text)
        }
    }

    @Test("the published note is signed and read byte for byte")
    func publishedNote() throws {
        let key = try Self.peter()
        let seed = try #require(Base64.decode(Self.peterSeed.utf8)).dropFirst()
        let signing = try Ed25519SigningKey(seed: Array(seed).span)
        let made = try SignedNote(text: Self.peterText, signedBy: signing, as: key)
        #expect(made.description == Self.peterNote)
        let read = try #require(SignedNote(Array(Self.peterNote.utf8)))
        #expect(read == made)
        #expect(try read.verdict(of: key) == .signed(time: nil))
    }

    @Test("any changed byte of a note makes it no note, unsigned or forged")
    func alteredNote() throws {
        let key = try Self.peter()
        let bytes = Array(Self.peterNote.utf8)
        for index in bytes.indices {
            for flip: UInt8 in [1, 0x20, 0x80] {
                var altered = bytes
                altered[index] ^= flip
                guard let note = SignedNote(altered) else { continue }
                #expect(try note.verdict(of: key) != .signed(time: nil), "byte \(index)")
            }
        }
        for length in bytes.indices {
            guard let note = SignedNote(bytes.prefix(length)) else { continue }
            #expect(try note.verdict(of: key) != .signed(time: nil), "cut to \(length)")
        }
    }

    @Test("any part and any changed character of a key is refused")
    func alteredKey() throws {
        let bytes = Array(Self.peterKey.utf8)
        for index in bytes.indices {
            var altered = bytes
            altered[index] += 1
            #expect(try VerifierKey(String(decoding: altered, as: UTF8.self)) == nil, "character \(index)")
            #expect(try VerifierKey(String(decoding: bytes.prefix(index), as: UTF8.self)) == nil)
            if index > 0 { #expect(try VerifierKey(String(decoding: bytes.dropFirst(index), as: UTF8.self)) == nil) }
        }
        #expect(try VerifierKey(name: "a b", publicKey: Self.seed) == nil)
        #expect(try VerifierKey(name: "a+b", publicKey: Self.seed) == nil)
        #expect(try VerifierKey(name: "", publicKey: Self.seed) == nil)
        #expect(try VerifierKey(name: "a", publicKey: Self.seed.dropLast()) == nil)
    }

    @Test("a checkpoint is signed under its origin and comes back")
    func ours() throws {
        let signing = try Ed25519SigningKey(seed: Self.seed.span)
        let key = try Self.ours(signing)
        for size in [0, 1, 42, UInt64.max] {
            let checkpoint = Checkpoint(origin: Self.origin, size: size, root: Array(0..<32))
            let note = try checkpoint.note(signedBy: signing)
            #expect(
                note.hasPrefix(
                    "\(Self.origin)\n\(size)\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n\u{2014} \(Self.origin) ")
            )
            let read = try #require(Checkpoint.parse(Array(note.utf8)))
            #expect(read.checkpoint == checkpoint)
            #expect(try read.note.verdict(of: key) == .signed(time: nil))
        }
    }

    @Test("lines behind the third are signed but not ours; sizes and roots have one form")
    func forms() {
        let root = Base64.encode(Array(0..<32))
        #expect(Checkpoint(text: "a\n7\n\(root)\nextension\n")?.size == 7)
        for text in [
            "a\n07\n\(root)\n", "a\n+7\n\(root)\n", "a\n\n\(root)\n", "a\n18446744073709551616\n\(root)\n",
            "a\n7\n\(root.dropLast(4))\n", "a\n7\n\(root)", "\n7\n\(root)\n", "a\n7\n \(root)\n", "a\n7\n", "",
        ] {
            #expect(Checkpoint(text: text) == nil, "\(text)")
        }
    }

    @Test("a witness's cosignature is checked over its time and the text")
    func cosignature() throws {
        let signing = try Ed25519SigningKey(seed: Self.seed.span)
        let checkpoint = Checkpoint(origin: Self.origin, size: 9, root: Array(0..<32))
        let witness = try Ed25519SigningKey(seed: [UInt8](repeating: 9, count: 32).span)
        var publicKey = [UInt8](repeating: 0, count: 32)
        var publicBytes = publicKey.mutableSpan
        try witness.publicKey(into: &publicBytes)
        let made = try VerifierKey(name: "witness.example", kind: .cosignature, publicKey: publicKey)
        let key = try #require(made)
        var signature = [UInt8](repeating: 0, count: 64)
        var signatureBytes = signature.mutableSpan
        try witness.sign(Array("cosignature/v1\ntime 1764329553\n\(checkpoint.text)".utf8).span, into: &signatureBytes)
        let signed = try checkpoint.note(signedBy: signing)
        var note = try #require(Checkpoint.parse(Array(signed.utf8))).note
        #expect(try note.verdict(of: key) == .unsigned)
        var stamp: [UInt8] = []
        stamp.append(bigEndian: UInt64(1_764_329_553))
        note.signatures.append(.init(name: key.name, keyHash: key.keyHash, bytes: stamp + signature))
        let read = try #require(SignedNote(Array(note.description.utf8)))
        #expect(try read.verdict(of: key) == .signed(time: 1_764_329_553))
        let own = try Self.ours(signing)
        #expect(try read.verdict(of: own) == .signed(time: nil))
        stamp[7] ^= 1
        note.signatures[1] = .init(name: key.name, keyHash: key.keyHash, bytes: stamp + signature)
        #expect(try note.verdict(of: key) == .forged)
        note.signatures[1] = .init(name: key.name, keyHash: key.keyHash, bytes: signature)
        #expect(try note.verdict(of: key) == .forged)
    }
}
