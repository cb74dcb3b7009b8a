internal import LMDB
internal import Synchronization
package import VaultCore

/// The vault of this process: its lock, keyring and store, and whether it may read and write.
///
/// Any thread may ask; the writer thread alone opens, reopens and closes, and puts a new keyring in place.
package final class VaultHost: Sendable {
    /// What the vault can do now.
    package enum State: Int, Sendable {
        /// No keys: nothing is read or written.
        case sealed
        case writing
        /// A write or flush failed and the store has not proved itself since: reads go on, writes get `write_stopped`.
        case stopped
    }

    package let files: VaultFiles
    private let lock: DirectoryLock
    private let mapBytes: Atomic<Int>
    private let readers: Int
    private let store = Mutex<Store?>(nil)
    private let keyringBox = Mutex<Keyring?>(nil)
    private let stateBox = Atomic<Int>(State.sealed.rawValue)

    /// Locks the data directory. The vault is sealed until `open`.
    package init(_ configuration: Configuration, eventLoops: Int) throws(StartupError) {
        files = VaultFiles(directory: configuration.data.absolute)
        mapBytes = Atomic(configuration.store.mapBytes)
        // One for each event loop, the rest for jobs such as verify.
        readers = eventLoops + 14
        do throws(LMDBError) {
            lock = try files.lock()
        } catch {
            throw .dataDirectory(error, path: configuration.data.absolute)
        }
    }

    /// Opens the database under a keyring. The state stays `sealed` until the caller changes it.
    func open(_ keyring: Keyring) throws(StoreError) {
        let opened = try openStore(keyring)
        store.withLock { $0 = opened }
        keyringBox.withLock { $0 = keyring }
    }

    private func openStore(_ keyring: Keyring) throws(StoreError) -> Store {
        try Store(
            path: files.database, mapBytes: mapBytes.load(ordering: .relaxed), readers: readers, keyring: keyring,
            mayBegin: false)
    }

    /// Lets go of database and keys: they are gone when their last user is.
    func close() {
        setState(.sealed)
        releaseStore()
        keyringBox.withLock { $0 = nil }
    }

    package var state: State { State(rawValue: stateBox.load(ordering: .acquiring)) ?? .stopped }

    func setState(_ state: State) { stateBox.store(state.rawValue, ordering: .releasing) }

    /// The keys in force; `nil` while sealed.
    package var keyring: Keyring? { keyringBox.withLock { $0 } }

    /// Puts the next generation in force.
    func replaceKeyring(_ keyring: Keyring) { keyringBox.withLock { $0 = keyring } }

    /// The open store; `nil` while sealed, and for the moment in which it is reopened.
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
        guard let keyring else { throw .missing }
        let reopened = try openStore(keyring)
        store.withLock { $0 = reopened }
        return reopened
    }
}
