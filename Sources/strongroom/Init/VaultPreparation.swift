import Glibc
import VaultCore

/// Makes the files of a new vault, and touches nothing that is there.
struct VaultPreparation {
    private let files: VaultFiles
    private let plan: RootPlan
    private let now = UInt64(max(0, time(nil)))

    /// What was made or found, for people.
    private(set) var made: [String] = []
    /// The name of the new vault.
    private(set) var id = ""

    init(directory: String, root plan: RootPlan) {
        files = VaultFiles(directory: directory)
        self.plan = plan
    }

    /// The order matters: a keyring is only written when everything else is in place.
    consuming func perform() throws(Failure) -> VaultPreparation {
        try refuseExistingKeyring()
        try refuseForeignData()
        try makeDirectory(files.directory, "data directory")
        try claiming { (preparation) throws(Failure) in
            try preparation.makeDirectory(preparation.files.audit, "audit trail")
            try preparation.makeRootKey()
            try preparation.makeKeyring()
            try preparation.giveToOwner()
        }
        return self
    }

    /// Keeps a daemon, or another `init`, away meanwhile.
    private mutating func claiming(_ body: (inout VaultPreparation) throws(Failure) -> Void) throws(Failure) {
        guard let lock = try? files.lock() else {
            throw Failure(.tryAgain, "\(files.directory): another process uses it, or its lock cannot be made")
        }
        try body(&self)
        _ = consume lock
    }

    private func refuseExistingKeyring() throws(Failure) {
        guard Self.exists(files.keyring) else { return }
        if let path = plan.file, !Self.exists(path) {
            throw Failure(
                .cannotCreate,
                "\(files.keyring) exists, but its root key \(path) does not: restore the root key; nothing was changed")
        }
        let id = try existingID().text
        throw Failure(.cannotCreate, "\(files.directory) is the vault \(id) already; nothing was changed")
    }

    /// The vault whose keyring is there; authenticated where its root key is at hand.
    private func existingID() throws(Failure) -> VaultID {
        guard let path = plan.file else {
            return try reading { () throws(KeyringError) in try KeyringFile.header(of: files.keyring).vaultID }
        }
        let root = try RootPlan.load(path)
        return try reading { () throws(KeyringError) in
            try KeyringFile.load(from: files.keyring, root: root).vaultID
        }
    }

    private func reading(_ body: () throws(KeyringError) -> VaultID) throws(Failure) -> VaultID {
        do throws(KeyringError) {
            return try body()
        } catch {
            throw Failure(.cannotCreate, "\(error.message); nothing was changed")
        }
    }

    /// Records without a keyring: their keys are lost or elsewhere, and new keys would bury that.
    private func refuseForeignData() throws(Failure) {
        guard Self.exists(files.database + "/data.mdb") else { return }
        if holdsNothing() { return }
        throw Failure(
            .cannotCreate,
            "\(files.database) holds records, but \(files.keyring) is missing: restore the keyring; nothing was changed"
        )
    }

    /// Whether the database is what an `init` that was cut short left behind.
    private func holdsNothing() -> Bool {
        do throws(StoreError) {
            return try Store.isEmpty(path: files.database)
        } catch {
            return false
        }
    }

    // MARK: Making

    private func newKeyring(_ description: RootDescription) throws(Failure) -> Keyring {
        do throws(KeyringError) {
            return try Keyring.create(now: now, root: description)
        } catch {
            throw Failure(.inputOutput, error.message)
        }
    }

    private mutating func makeDatabase(_ keyring: Keyring) throws(Failure) {
        do throws(StoreError) {
            try Store.create(path: files.database, keyring: keyring)
        } catch {
            throw Failure(.inputOutput, "\(files.database): \(error.message)")
        }
        note("made", files.database, "records, mode 0700")
    }

    private mutating func makeDirectory(_ path: String, _ what: String) throws(Failure) {
        if Self.exists(path) {
            // Nobody but the daemon has business here.
            guard unsafe chmod(path, 0o700) == 0 else { throw failure(path) }
            return note("kept", path, what)
        }
        try makeParents(of: path)
        guard unsafe mkdir(path, 0o700) == 0, unsafe chmod(path, 0o700) == 0 else { throw failure(path) }
        note("made", path, "\(what), mode 0700")
    }

    private func makeParents(of path: String) throws(Failure) {
        let parent = AtomicFile.parent(of: path)
        if Self.exists(parent) { return }
        try makeParents(of: parent)
        guard unsafe mkdir(parent, 0o755) == 0 || errno == EEXIST else { throw failure(parent) }
    }

    private mutating func makeRootKey() throws(Failure) {
        guard let path = plan.file else { return }
        if Self.exists(path) { return note("kept", path, "root key") }
        try makeParents(of: path)
        do throws(RootKeyError) {
            try RootKey.create(at: path)
        } catch {
            throw Failure(.inputOutput, error.message)
        }
        note("made", path, "root key, \(RootKey.byteCount * 8) bits, mode 0600")
    }

    private mutating func makeKeyring() throws(Failure) {
        let plan = plan
        try plan.withRoot(now: now) { (root, description) throws(Failure) in
            try makeKeyring(under: root, description)
        }
    }

    private mutating func makeKeyring(
        under root: borrowing RootKey, _ description: RootDescription
    ) throws(Failure) {
        var keyring = try newKeyring(description)
        var shares: [String] = []
        do throws(Failure) {
            if case .shares(let distribution) = plan {
                // Before anything depends on them.
                keyring = try distribution.perform(keyring, root: root, now: now, made: &shares)
                try Interruption.check()
            }
            // The database first: where there is a keyring, there is a whole database.
            try makeDatabase(keyring)
            try storeKeyring(keyring, root)
        } catch {
            ShareHandout.remove(shares)
            guard case .shares = plan else { throw error }
            throw Failure(error.status, "\(error.message): no vault was made, and shares that were seen are worthless")
        }
        for path in shares { note("made", path, "share, mode 0600") }
        id = keyring.vaultID.text
        note("made", files.keyring, "keyring: data key 1 and index key 1, wrapped under the root key")
    }

    private func storeKeyring(_ keyring: Keyring, _ root: borrowing RootKey) throws(Failure) {
        do throws(KeyringError) {
            try KeyringFile.store(keyring, at: files.keyring, root: root)
        } catch {
            throw Failure(.inputOutput, error.message)
        }
    }

    /// Root may prepare a directory that a package made for the daemon's user: then all of it becomes that user's.
    private func giveToOwner() throws(Failure) {
        guard geteuid() == 0 else { return }
        var status = stat()
        guard unsafe stat(files.directory, &status) == 0 else { throw failure(files.directory) }
        guard status.st_uid != 0 else { return }
        let made = [
            files.database, files.database + "/data.mdb", files.database + "/lock.mdb", files.audit, files.keyring,
            files.directory + "/strongroom.lock",
        ]
        for path in made + [plan.file].compactMap({ $0 }) {
            guard unsafe chown(path, status.st_uid, status.st_gid) == 0 else { throw failure(path) }
        }
    }

    private mutating func note(_ verb: String, _ path: String, _ what: String) {
        made.append("\(verb)  \(path)  (\(what))")
    }

    private func failure(_ path: String) -> Failure {
        let code = errno
        let isDenied = code == EACCES || code == EPERM || code == EROFS
        return Failure(isDenied ? .denied : .inputOutput, "\(path): \(systemText(code))")
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0
    }
}
