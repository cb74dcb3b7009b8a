package import LMDB
internal import Logging
internal import Synchronization
package import VaultCore

/// The vault of this process: its lock, keyring and store, and whether it may write.
///
/// Any thread may ask; the writer thread alone opens and reopens the store.
package final class VaultHost: Sendable {
    /// Whether writes are taken.
    package enum WriteState: Int, Sendable {
        case writing
        /// A write or flush failed and the store has not proved itself since: reads go on, writes get `write_stopped`.
        case stopped
    }

    package let files: VaultFiles
    package let keyring: Keyring
    private let lock: DirectoryLock
    private let mapBytes: Atomic<Int>
    private let readers: Int
    private let store: Mutex<Store?>
    private let writeStateBox = Atomic<Int>(WriteState.stopped.rawValue)

    /// Locks the data directory, reads the keyring and opens the database.
    package init(_ configuration: Configuration, root: borrowing RootKey, eventLoops: Int) throws(StartupError) {
        files = VaultFiles(directory: configuration.data.absolute)
        mapBytes = Atomic(configuration.store.mapBytes)
        // One for each event loop, the rest for jobs such as verify.
        readers = eventLoops + 14
        do throws(LMDBError) {
            lock = try files.lock()
        } catch {
            throw .dataDirectory(error, path: configuration.data.absolute)
        }
        do throws(KeyringError) {
            keyring = try KeyringFile.load(from: files.keyring, root: root)
        } catch {
            throw .keyring(error)
        }
        do throws(StoreError) {
            let opened = try Store(
                path: files.database, mapBytes: configuration.store.mapBytes, readers: readers, keyring: keyring,
                mayBegin: false)
            store = Mutex(opened)
        } catch {
            throw .store(error, path: files.database)
        }
    }

    package var writeState: WriteState { WriteState(rawValue: writeStateBox.load(ordering: .acquiring)) ?? .stopped }

    func setWriteState(_ state: WriteState) { writeStateBox.store(state.rawValue, ordering: .releasing) }

    /// The open store; `nil` for the moment in which it is reopened.
    package var currentStore: Store? { store.withLock { $0 } }

    /// Lets go of the store, so that it closes when its last reader and writer are gone.
    func releaseStore() { store.withLock { $0 = nil } }

    /// Makes the map larger, while serving; a smaller size is kept for the next start. Waits for a moment without
    /// transactions: not for event loops or the writer thread.
    func resize(mapBytes bytes: Int) throws(StoreError) {
        guard bytes > mapBytes.load(ordering: .relaxed), let store = currentStore else { return }
        do throws(LMDBError) {
            try store.environment.resize(mapBytes: bytes)
        } catch {
            throw .lmdb(error)
        }
        mapBytes.store(bytes, ordering: .relaxed)
    }

    /// Runs a write with a map that is larger by a reserve of a sixty-fourth, at least 1 MiB; `nil` where it cannot be had.
    func withReserve<R>(_ body: () -> R) -> R? {
        let limit = mapBytes.load(ordering: .relaxed)
        guard let environment = currentStore?.environment else { return nil }
        do throws(LMDBError) {
            try environment.resize(mapBytes: limit + max(1 << 20, limit / 64))
        } catch {
            return nil
        }
        let result = body()
        // Back to the limit, or to what is used by now: pages that the deletion freed serve the next writes.
        try? environment.resize(mapBytes: limit)
        return result
    }

    /// Opens the store again after `releaseStore`.
    func reopenStore() throws(StoreError) -> Store {
        let reopened = try Store(
            path: files.database, mapBytes: mapBytes.load(ordering: .relaxed), readers: readers, keyring: keyring,
            mayBegin: false)
        store.withLock { $0 = reopened }
        return reopened
    }
}

/// Why the daemon did not start.
package enum StartupError: Error, Sendable {
    case configuration(String)
    case dataDirectory(LMDBError, path: String)
    case rootKey(RootKeyError)
    case keyring(KeyringError)
    case store(StoreError, path: String)
    case tls(String)
    case listen(String)
    case hardening(String)

    /// What to tell the operator: names the thing that is wrong, never its contents.
    package var message: String {
        switch self {
        case .configuration(let text), .tls(let text), .listen(let text), .hardening(let text): text
        case .dataDirectory(let error, let path): Self.describe(error, path)
        case .rootKey(let error): error.message
        case .keyring(let error): error.message
        case .store(let error, let path): "\(path): \(error.message)"
        }
    }

    /// The exit code, from sysexits.h.
    package var exitCode: Int32 {
        switch self {
        case .configuration, .tls: 78
        case .listen: 69
        case .hardening: 71
        case .dataDirectory(let error, _):
            switch error.kind {
            case .alreadyLocked, .alreadyOpen: 75
            case .networkFileSystem, .unsupportedFileSystem: 78
            default: error.code == 13 ? 77 : 74
            }
        case .rootKey(let error):
            switch error {
            case .file(let file): file.isMissing ? 78 : file.code == 13 || file.code == 1 ? 77 : 74
            case .exposed: 77
            case .size: 78
            case .random: 71
            }
        case .keyring(let error):
            switch error {
            case .missing, .wrongRootKey, .unsupportedFormat: 78
            case .notAKeyring, .damaged: 65
            case .file: 74
            case .crypto: 71
            }
        case .store(let error, _):
            switch error {
            case .foreignKeyring, .schema, .registryFull: 78
            case .damaged, .missing: 65
            case .lmdb(let error): Self.exitCode(error)
            case .file: 74
            case .crypto: 71
            }
        }
    }

    private static func exitCode(_ error: LMDBError) -> Int32 {
        switch error.kind {
        case .networkFileSystem, .unsupportedFileSystem, .versionMismatch: 78
        case .corrupted, .incompatibleTable: 65
        case .alreadyLocked, .alreadyOpen: 75
        default: error.code == 13 ? 77 : 74
        }
    }

    private static func describe(_ error: LMDBError, _ path: String) -> String {
        switch error.kind {
        case .alreadyLocked(let pid):
            "data directory \(path): another strongroomd" + (pid.map { " (process \($0))" } ?? "") + " is running on it"
        default: "data directory \(path): \(error)"
        }
    }
}
