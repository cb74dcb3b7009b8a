internal import Glibc
internal import LMDB
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS
internal import SecretMemory
internal import VaultCore

// From sealed to serving and back. The writer thread does it, since it owns the store and the keys.
extension VaultService {
    /// What the keyring file says in clear; `nil` where it cannot be read.
    var keyringHeader: KeyringHeader? { try? KeyringFile.header(of: host.files.keyring) }

    /// Opens the vault with the root key that the configuration names; one that is in shares stays sealed.
    func openAtStart(_ configuration: Configuration) async throws(StartupError) {
        let header: KeyringHeader
        do throws(KeyringError) {
            header = try KeyringFile.header(of: host.files.keyring)
        } catch {
            throw .keyring(error)
        }
        guard header.root.kind != .shares else {
            guard configuration.rootKey.fits(header.root) else {
                throw .rootSource(
                    "root_key: the configuration names '\(configuration.rootKey.text)', but the root key is in "
                        + header.root.text, exitCode: 78)
            }
            return logger.notice("sealed", metadata: ["needed": "\(header.root.text)"])
        }
        let root = RootBox(try RootSource.load(configuration.rootKey, for: header))
        let promise = sideGroup.next().makePromise(of: Result<Void, StartupError>.self)
        let isTaken = writer.perform {
            do throws(StartupError) {
                promise.succeed(.success(try self.open(root)))
            } catch {
                promise.succeed(.failure(error))
            }
        }
        if !isTaken { promise.succeed(.failure(.listen("the writer thread has ended"))) }
        guard let result = try? await promise.futureResult.get() else {
            throw .listen("the writer thread has ended")
        }
        try result.get()
    }

    /// On the writer thread: reads the keyring, opens the store, settles the start, and lets every loop read.
    private func open(_ root: RootBox) throws(StartupError) {
        let keyring: Keyring
        do throws(KeyringError) {
            keyring = try KeyringFile.load(from: host.files.keyring, root: root.key)
        } catch {
            throw .keyring(error)
        }
        try openStore(keyring)
        do throws(StartupError) {
            keys.begin(root)
            let (registry, isWritable) =
                try settle()
                ? try Self.register(configuration, host, logger: logger) : (try Self.names(host), false)
            let policy = try Self.makePolicy(configuration, registry, guards)
            policyBox.replace(policy)
            openAudit()
            guards.adopt(configuration, registry)
            if let store = host.currentStore { gate.open(store, policy) }
            // Last: until every loop goes by the database's numbers for names, requests are answered `sealed`.
            host.setState(isWritable ? .writing : .stopped)
            Self.logNotes(policy, logger)
        } catch {
            keys.end()
            gate.close()
            host.close()
            throw error
        }
    }

    /// Opens the log that goes with the database. Where that cannot be, the vault starts all the same: it answers that it
    /// has no log, and shows why.
    private func openAudit() {
        do throws(KeyFailure) {
            try keys.ensureAuditKey()
            guard let keyring = host.keyring, let store = host.currentStore else { throw .sealed }
            let known: AuditHead?
            do throws(StoreError) {
                known = try store.auditHead()
            } catch {
                throw KeyFailure(error)
            }
            do throws(AuditFailure) {
                try audit.open(keyring, known: known)
            } catch {
                throw KeyFailure(error)
            }
        } catch {
            return logger.critical("audit_not_open", metadata: ["reason": "\(error.title)"])
        }
        var entry = AuditEntry(.start)
        entry.add("outcome", "ok")
        entry.add("version", Strongroom.version)
        entry.add("deployment", configuration.deployment)
        entry.add("generation", host.keyring?.generation ?? 0)
        if let hash = configurationHash { entry.add("configuration", hex: hash) }
        audit.note(entry)
    }

    private func openStore(_ keyring: Keyring) throws(StartupError) {
        do throws(StoreError) {
            // What a verify of the last time still holds lets go within a slice.
            for _ in 0..<200 {
                do throws(StoreError) {
                    return try host.open(keyring)
                } catch {
                    guard case .lmdb(let cause) = error, cause.kind == .alreadyOpen else { throw error }
                    usleep(10_000)
                }
            }
            try host.open(keyring)
        } catch {
            throw .store(error, path: host.files.database)
        }
    }

    /// False on a full disk: the vault then reveals, and the writer thread tries again every second.
    private func settle() throws(StartupError) -> Bool {
        do throws(KeyFailure) {
            try keys.admit()
            return true
        } catch {
            switch error.store {
            case .some(let cause) where cause.isMismatch: throw .store(cause, path: host.files.database)
            default: break
            }
            guard error.status == 507 else { throw .rootSource("\(host.files.database): \(error.title)", exitCode: 74) }
            logger.error("write_stopped", metadata: ["reason": "\(error.title)"])
            return false
        }
    }

    private static func names(_ host: VaultHost) throws(StartupError) -> Registry {
        do throws(StoreError) {
            guard let store = host.currentStore else { throw .damaged("the store is closed") }
            return try store.registry()
        } catch {
            throw .store(error, path: host.files.database)
        }
    }

    /// Numbers for the configuration's names, and whether the disk took the write that proves it. On a full disk the vault
    /// serves all the same: it can reveal, and the writer thread tries again every second.
    static func register(
        _ configuration: Configuration, _ host: VaultHost, logger: Logger, afterCrash: Bool = true
    ) throws(StartupError) -> (Registry, isWritable: Bool) {
        guard let store = host.currentStore, let keyring = host.keyring else {
            throw .store(.damaged("the store is closed"), path: host.files.database)
        }
        let formats = configuration.formats.map(\.name)
        let purposes = Policy.purposes(of: configuration)
        do throws(StoreError) {
            let registry = try store.prepare(
                keyring: keyring, formats: formats, purposes: purposes, afterCrash: afterCrash)
            return (registry, true)
        } catch {
            guard error.isFull else { throw .store(error, path: host.files.database) }
            logger.error("write_stopped", metadata: ["reason": "\(error.message)"])
            return (try names(host), false)
        }
    }

    static func makePolicy(
        _ configuration: Configuration, _ registry: Registry, _ guards: GuardBook
    ) throws(StartupError) -> Policy {
        do throws(TokenFormatError) {
            return try Policy(configuration, registry: registry, guards: guards)
        } catch {
            throw .configuration("\(error)")
        }
    }

    /// Says which PAN lengths a format refuses, with the arithmetic.
    static func logNotes(_ policy: Policy, _ logger: Logger) {
        for format in policy.formats.all {
            for note in format.notes {
                logger.notice("format_note", metadata: ["format": "\(format.name)", "note": "\(note)"])
            }
        }
    }

    static func provisionalNames(_ configuration: Configuration) -> Registry {
        Registry(provisionallyFor: configuration.formats.map(\.name))
    }

    // MARK: Sealing

    /// Takes a share, or, for other kinds of root key, opens the vault again. Not for event loops.
    func unseal(_ text: borrowing Span<UInt8>, by person: Operator) throws(KeyFailure) -> JSONText {
        guard host.state == .sealed, host.keyring == nil else {
            throw KeyFailure(409, "not_sealed", "the vault is not sealed")
        }
        guard let header = keyringHeader else { throw KeyFailure(503, "keyring_failed", "the keyring cannot be read") }
        guard header.root.kind == .shares else {
            return try openAgain(header, person)
        }
        guard text.count > 0 else { throw KeyFailure(422, "share_malformed", "share: there is none in the request") }
        let expiry = UInt64(configuration.control.unsealExpiry.components.seconds)
        switch try intake.enter(text, for: header.root, expirySeconds: expiry) {
        case .needsMore(let have, let need):
            logger.notice("share_entered", metadata: ["have": "\(have)", "need": "\(need)", "by": "\(person.text)"])
            return Self.unsealed(false, have: have, need: need)
        case .complete(let secret):
            let root = RootBox(try Self.root(secret.span, header))
            try openNow(root)
            logger.notice("unsealed", metadata: ["by": "\(person.text)"])
            let need = Int(header.root.threshold)
            return Self.unsealed(true, have: need, need: need)
        }
    }

    private static func unsealed(_ isOpen: Bool, have: Int, need: Int) -> JSONText {
        .object([
            ("sealed", .bool(!isOpen)), ("have", .number(UInt64(have))), ("need", .number(UInt64(need))),
        ])
    }

    private static func root(_ secret: borrowing Span<UInt8>, _ header: KeyringHeader) throws(KeyFailure) -> RootKey {
        do throws(KeyringError) {
            return try ShareEnvelope.open(secret: secret, description: header.root, vaultID: header.vaultID)
        } catch {
            throw KeyFailure(
                422, "share_wrong",
                "one of the shares is not what it was when it was made; all were wiped, so begin anew")
        }
    }

    private func openAgain(_ header: KeyringHeader, _ person: Operator) throws(KeyFailure) -> JSONText {
        let root: RootBox
        do throws(StartupError) {
            root = RootBox(try RootSource.load(configuration.rootKey, for: header))
        } catch {
            throw KeyFailure(422, "root_key_unusable", error.message)
        }
        try openNow(root)
        logger.notice("unsealed", metadata: ["by": "\(person.text)"])
        return Self.unsealed(true, have: 0, need: 0)
    }

    private func openNow(_ root: RootBox) throws(KeyFailure) {
        try onWriterThread { _ throws(KeyFailure) in
            guard self.host.keyring == nil else { throw KeyFailure(409, "not_sealed", "the vault is not sealed") }
            do throws(StartupError) {
                try self.open(root)
            } catch {
                throw KeyFailure(503, "open_failed", error.message)
            }
        }
    }

    /// Forgets all keys. Requests under way are answered; later ones get `sealed`. Not for event loops.
    func seal(by person: Operator) throws(KeyFailure) {
        try onWriterThread { keys throws(KeyFailure) in
            guard self.host.keyring != nil else { throw .sealed }
            var entry = AuditEntry(.seal)
            entry.add("operator", person.text)
            entry.add("outcome", "ok")
            // Sealing is what protects the cards: it does not wait for a disk.
            self.audit.note(entry)
            self.host.setState(.sealed)
            self.gate.close()
            if let head = self.audit.close() { try? self.host.currentStore?.putAuditHead(head) }
            keys.end()
            self.host.close()
        }
        intake.reset()
        logger.notice("sealed_by_command")
    }

    /// Runs `body` with the keys, where they may be changed.
    func onWriterThread<R: Sendable>(
        _ body: @escaping @Sendable (KeyManager) throws(KeyFailure) -> R
    ) throws(KeyFailure) -> R {
        try keys.perform(on: sideGroup.next(), body)
    }
}

extension Configuration.RootKey {
    /// For people, such as `shares (3 of 5)`.
    var text: String {
        if case .shares(let shares) = self { return "shares (\(shares.threshold) of \(shares.count))" }
        return kindName
    }

    /// Whether it can be what wraps a keyring.
    func fits(_ root: RootDescription) -> Bool {
        switch (self, root.kind) {
        case (.file, .file), (.file, .credential), (.credential, .file), (.credential, .credential): true
        case (.pkcs11, .pkcs11): true
        case (.shares(let shares), .shares):
            shares.threshold == Int(root.threshold) && shares.count == Int(root.count)
        default: false
        }
    }
}
