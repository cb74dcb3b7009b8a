package import OpenSSLCrypto

/// A statement about a log at one moment: whose it is, how many records it has, and the root of the tree over them
/// (C2SP tlog-checkpoint). Signed, it is a note that an outside witness can keep and compare.
package struct Checkpoint: Equatable, Sendable {
    /// Names the log; for ours also the name of its key.
    package var origin: String
    /// Number of records, hence the sequence number of the last.
    package var size: UInt64
    /// 32 bytes.
    package var root: [UInt8]

    package init(origin: String, size: UInt64, root: [UInt8]) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// What is signed: three lines.
    package var text: String { "\(origin)\n\(size)\n\(Base64.encode(root))\n" }

    /// The signed note, with the newline at its end. The key's name is the origin.
    package func note(signedBy key: borrowing Ed25519SigningKey) throws(CryptoError) -> String {
        guard let verifier = try VerifierKey(name: origin, of: key) else {
            preconditionFailure("an origin is the name of a key")
        }
        return try SignedNote(text: text, signedBy: key, as: verifier).description
    }

    /// Reads the text of a note. Lines behind the third are allowed by the format and ignored here: they are signed too.
    /// `nil` where it is no checkpoint.
    package init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, !lines[0].isEmpty, let size = Self.size(lines[1]),
            let root = Base64.decode(lines[2].utf8), root.count == MerkleHash.byteCount
        else { return nil }
        self.init(origin: String(lines[0]), size: size, root: root)
    }

    /// Reads a signed note; `nil` where it is none, or not of a checkpoint. Says nothing about its signatures.
    package static func parse(_ bytes: some Collection<UInt8>) -> (checkpoint: Checkpoint, note: SignedNote)? {
        guard let note = SignedNote(bytes), let checkpoint = Checkpoint(text: note.text) else { return nil }
        return (checkpoint, note)
    }

    /// Decimal digits without a leading zero.
    private static func size(_ text: Substring) -> UInt64? {
        guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), text == "0" || text.first != "0"
        else { return nil }
        return UInt64(text)
    }
}
