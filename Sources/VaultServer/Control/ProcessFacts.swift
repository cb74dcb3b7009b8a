internal import Glibc
internal import LMDB
internal import Logging
internal import VaultCore

/// Facts about this process for status and evidence.
enum ProcessFacts {
    static var id: Int32 { getpid() }
    static var lmdbVersion: String { Environment.version }
}

extension VaultService {
    /// The counters of the store; `nil` while sealed, for the moment in which it is reopened, or where it does not read.
    var statistics: StoreStatistics? {
        guard let store = host.currentStore, let keyring = host.keyring else { return nil }
        do throws(StoreError) {
            return try store.statistics(
                keyring: keyring, formats: policyBox.current.formats.all.map(\.id))
        } catch {
            logger.error("statistics_failed", metadata: ["reason": "\(error.message)"])
            return nil
        }
    }
}
