package import LMDB

/// Where the parts of a vault lie below its data directory.
package struct VaultFiles: Sendable {
    /// The data directory, mode 0700.
    package let directory: String

    package init(directory: String) { self.directory = directory }

    /// LMDB's directory.
    package var database: String { directory + "/vault" }
    /// Wrapped keys; never inside LMDB, which keeps old pages readable.
    package var keyring: String { directory + "/keyring" }
    /// The random number of the last start.
    package var epoch: String { directory + "/epoch" }
    package var audit: String { directory + "/audit" }
    /// Which one-time codes of operators were used.
    package var codes: String { directory + "/codes" }
    /// What is frozen, and what limits have counted.
    package var guardFile: String { directory + "/guard" }

    /// Claims the data directory for this process.
    package func lock() throws(LMDBError) -> DirectoryLock { try DirectoryLock(directory: directory) }
}
