package import OpenSSLCrypto

/// A text and signatures of it, as C2SP signed-note has them: the text, an empty line, one line for each signature.
package struct SignedNote: Equatable, Sendable {
    /// `— name base64(key hash || signature)`.
    package struct Signature: Equatable, Sendable {
        package let name: String
        /// The first four bytes: they find the key.
        package let keyHash: [UInt8]
        package let bytes: [UInt8]

        package init(name: String, keyHash: [UInt8], bytes: [UInt8]) {
            self.name = name
            self.keyHash = keyHash
            self.bytes = bytes
        }

        var line: String { SignedNote.dash + " \(name) \(Base64.encode(keyHash + bytes))\n" }
    }

    /// Largest note in bytes: a checkpoint has some 300, a witness adds some 120.
    package static let byteCountMax = 64 * 1024
    /// Most signatures of one note.
    static let signaturesMax = 100
    fileprivate static let dash = "\u{2014}"

    /// What is signed, with the newline at its end.
    package let text: String
    package var signatures: [Signature]

    /// A note of a text that ends in a newline, signed with one key.
    package init(
        text: String, signedBy key: borrowing Ed25519SigningKey, as verifier: VerifierKey
    ) throws(CryptoError) {
        var signature = [UInt8](repeating: 0, count: Ed25519SigningKey.signatureBytes)
        var output = signature.mutableSpan
        try key.sign(Array(text.utf8).span, into: &output)
        self.text = text
        signatures = [Signature(name: verifier.name, keyHash: verifier.keyHash, bytes: signature)]
    }

    /// Reads one note; `nil` for what is not exactly one, however slightly.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count <= Self.byteCountMax, let whole = String(validating: bytes, as: UTF8.self) else { return nil }
        // No control character but the newline, as the format says: what is shown is what is signed.
        guard whole.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }) else { return nil }
        // The signatures are behind the last empty line.
        var lines = whole.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines.removeLast().isEmpty, let gap = lines.lastIndex(where: \.isEmpty), gap > 0,
            gap + 1 < lines.count, lines.count - gap - 1 <= Self.signaturesMax
        else { return nil }
        var signatures: [Signature] = []
        for line in lines[(gap + 1)...] {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == Self.dash, VerifierKey.isName(parts[1]),
                let bytes = Base64.decode(parts[2].utf8), bytes.count > 4
            else { return nil }
            signatures.append(
                Signature(
                    name: String(parts[1]), keyHash: Array(bytes.prefix(4)), bytes: Array(bytes.dropFirst(4))))
        }
        text = lines[..<gap].joined(separator: "\n") + "\n"
        self.signatures = signatures
    }

    /// Reads notes that lie behind each other with an empty line after each, as a log's checkpoints do; the last one may do
    /// without. `nil` where anything among them is none, or where there are none.
    package static func all(in bytes: [UInt8]) -> [SignedNote]? {
        var notes: [SignedNote] = []
        var note: [UInt8] = []
        var hasText = false
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if line.isEmpty, note.isEmpty { continue }
            if line.isEmpty, hasText {
                guard let read = SignedNote(note) else { return nil }
                notes.append(read)
                (note, hasText) = ([], false)
                continue
            }
            if line.isEmpty { hasText = true }
            note += line + [0x0A]
        }
        guard note.isEmpty, !notes.isEmpty else { return nil }
        return notes
    }

    /// The whole note.
    package var description: String { text + "\n" + signatures.map(\.line).joined() }

    /// What the note says about one key.
    package enum Verdict: Equatable, Sendable {
        /// No signature has this key's name and hash.
        case unsigned
        /// One has, and it is not of this text.
        case forged
        /// Unix seconds for a cosignature, otherwise nothing.
        case signed(time: UInt64?)
    }

    /// Whether this key signed the text.
    package func verdict(of key: VerifierKey) throws(CryptoError) -> Verdict {
        for signature in signatures where signature.name == key.name && signature.keyHash == key.keyHash {
            guard let (message, bytes, time) = signed(signature, kind: key.kind) else { return .forged }
            do throws(CryptoError) {
                try ed25519Verify(bytes.span, of: message.span, publicKey: key.publicKey.span)
            } catch {
                guard error == .authenticationFailed || error == .badSignatureLength else { throw error }
                return .forged
            }
            return .signed(time: time)
        }
        return .unsigned
    }

    /// The message that a signature is of, the signature proper, and its time.
    private func signed(
        _ signature: Signature, kind: VerifierKey.Kind
    ) -> (message: [UInt8], bytes: [UInt8], time: UInt64?)? {
        switch kind {
        case .ed25519: return (Array(text.utf8), signature.bytes, nil)
        case .cosignature:
            guard signature.bytes.count == 8 + Ed25519SigningKey.signatureBytes else { return nil }
            let time = UInt64(bigEndian: signature.bytes.span, at: 0)
            return (
                Array("cosignature/v1\ntime \(time)\n\(text)".utf8), Array(signature.bytes.dropFirst(8)), time
            )
        }
    }
}
