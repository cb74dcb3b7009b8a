internal import OpenSSLCrypto

/// The keys that checkpoints of a log may be signed with: those that the caller knows, and those that the log announces
/// under them.
struct AuditTrust {
    /// Keys whose signature counts.
    private(set) var trusted: [VerifierKey] = []
    /// Cosigners whose signature the witness's checkpoints must bear.
    private(set) var cosigners: [VerifierKey] = []
    /// Announced by a record that no signature covers yet.
    private var announced: [(key: VerifierKey, seq: UInt64)] = []
    /// Lines of `verifier-keys`, where there is that file.
    private let listed: [VerifierKey]?
    /// Whether each record is proved by a MAC, so that an announcement counts at once.
    private let isAuthenticated: Bool

    /// The log's name.
    var name: String? { trusted.first?.name }

    init(_ directory: AuditListing, _ options: AuditVerifier.Options) throws(AuditReadError) {
        isAuthenticated = options.chainKeys != nil
        let lines = try reading { () throws(FileError) in try directory.keyLines() }
        var listed: [VerifierKey] = []
        for (index, line) in (lines ?? []).enumerated() {
            let place = AuditPlace(file: AuditListing.verifierKeys, line: UInt64(index + 1))
            let key = try hashing { () throws(CryptoError) in try VerifierKey(line) }
            guard let key, key.kind == .ed25519 else { throw place.finding(.key, 0, "this is no verifier key") }
            guard listed.allSatisfy({ $0.name == key.name }) else {
                throw place.finding(.key, 0, "this key is of another log than the one before")
            }
            listed.append(key)
        }
        self.listed = lines == nil ? nil : listed
        guard let given = options.trusted else {
            trusted = listed
            return
        }
        trusted = given.filter { $0.kind == .ed25519 }
        cosigners = given.filter { $0.kind == .cosignature }
        if let unlisted = trusted.first(where: { !listed.contains($0) }), lines != nil {
            throw .finding(
                AuditFinding(
                    .key, AuditListing.verifierKeys,
                    "the key \(unlisted.text) is known from elsewhere, and is not in this file"))
        }
        if trusted.isEmpty { trusted = listed }
    }

    /// Takes the key that a record announces; the version that is in force from the next record on.
    mutating func announce(_ line: AuditLine, _ place: AuditPlace) throws(AuditReadError) -> UInt32 {
        guard let version = line.number("version").flatMap({ UInt32(exactly: $0) }), version > line.chain,
            let text = line.text("public")
        else { throw place.finding(.key, line.seq, "record \(line.seq) announces no newer audit key") }
        let key = try hashing { () throws(CryptoError) in try VerifierKey(text) }
        guard let key, key.kind == .ed25519, name == nil || key.name == name else {
            throw place.finding(.key, line.seq, "record \(line.seq) announces a key that is none of this log")
        }
        guard listed?.contains(key) ?? true else {
            throw place.finding(
                .key, line.seq,
                "record \(line.seq) announces a key that is not in \(AuditListing.verifierKeys)")
        }
        announced.append((key, line.seq))
        if isAuthenticated { cover(line.seq) }
        return version
    }

    /// A trusted signature covers all records to this one: what they announce is trusted from now on.
    mutating func cover(_ seq: UInt64) {
        for (key, _) in announced.filter({ $0.seq <= seq }) where !trusted.contains(key) { trusted.append(key) }
        announced.removeAll { $0.seq <= seq }
    }

    /// Whether a note is a checkpoint of this log, signed with a key that counts; what is wrong with it otherwise.
    func check(
        _ note: SignedNote, _ checkpoint: Checkpoint
    ) throws(CryptoError) -> (kind: AuditFinding.Kind, detail: String)? {
        // One good signature is enough; a bad one of a key that counts is never passed over.
        var signers: [VerifierKey] = []
        for key in trusted {
            switch try note.verdict(of: key) {
            case .unsigned: break
            case .forged: return (.forged, "the signature is not that of this checkpoint")
            case .signed: signers.append(key)
            }
        }
        guard let signer = signers.first else {
            return (.unsigned, "the checkpoint is signed by none of the keys that are trusted")
        }
        guard checkpoint.origin == signer.name else {
            return (.checkpoint, "the checkpoint is of \(checkpoint.origin), and its key of \(signer.name)")
        }
        return nil
    }
}
