internal import Glibc
package import LMDB
internal import OpenSSLCrypto

/// Why the store did not open or an operation on it failed. Never carries record bytes.
package enum StoreError: Error, Equatable, Sendable {
    case lmdb(LMDBError)
    case file(FileError)
    /// The database was made with another keyring.
    case foreignKeyring(database: String, keyring: String)
    /// Written by a version of Strongroom with another schema.
    case schema(UInt64)
    /// There is a keyring, and no database or an empty one.
    case missing
    /// The keyring is older than the one this database was last used with: keys and receipts since then are missing.
    case olderKeyring(database: UInt64, keyring: UInt64)
    /// The database is older than the keyring, and needs a key that was destroyed since then.
    case keyDestroyed(KeyPurpose, UInt32, UInt64)
    /// Something that is written only by us does not read as we write it; names the thing.
    case damaged(String)
    /// More formats or purposes than the record layout can tell apart.
    case registryFull(String, Int)
    case crypto

    package var message: String {
        switch self {
        case .lmdb(let error): "store: \(error)"
        case .file(let error): "store: \(error.message)"
        case .foreignKeyring(let database, let keyring):
            "store: the database belongs to vault \(database), the keyring to vault \(keyring)"
        case .olderKeyring(let database, let keyring):
            "store: the keyring is of generation \(keyring), and this database was last used with generation \(database): "
                + "an older keyring was put in place; restore the newest one"
        case .keyDestroyed(let purpose, let version, let count):
            "store: \(count) entries are under \(purpose.name) key version \(version), which this keyring has destroyed: "
                + "the database is older than the keyring; restore the keyring of the same backup, or the newest database"
        case .schema(let version):
            "store: schema \(version) was written by another version of strongroom; this one reads schemas 1 to \(Store.schema)"
        case .missing: "store: the database of this keyring is missing or empty; restore it"
        case .damaged(let what): "store: damaged: \(what)"
        case .registryFull(let what, let limit): "store: a vault knows at most \(limit) \(what) in its life"
        case .crypto: "store: libcrypto failed"
        }
    }

    /// What is on disk does not read as it was written; the disk itself works.
    package var isDamage: Bool {
        switch self {
        case .damaged: true
        case .lmdb(let error): error.kind == .corrupted || error.kind == .badTransaction
        default: false
        }
    }

    /// Keyring and database do not belong together.
    package var isMismatch: Bool {
        switch self {
        case .olderKeyring, .keyDestroyed, .foreignKeyring: true
        default: false
        }
    }

    /// The volume or the map has no room: nothing was written, and reads go on.
    package var isFull: Bool {
        switch self {
        case .lmdb(let error): error.isFull
        case .file(let error): error.code == ENOSPC || error.code == EDQUOT
        default: false
        }
    }
}

extension LMDBError {
    /// The map or the volume has no room.
    package var isFull: Bool { kind == .mapFull || kind == .diskFull || kind == .transactionFull }
}

/// Runs calls of LMDB, and says of an error that the store failed.
@inline(__always)
func lmdb<R: ~Copyable>(_ body: () throws(LMDBError) -> R) throws(StoreError) -> R {
    do throws(LMDBError) {
        return try body()
    } catch {
        throw .lmdb(error)
    }
}

/// Runs calls of libcrypto, and says of an error that the store failed.
@inline(__always)
func crypto<R: ~Copyable>(_ body: () throws(CryptoError) -> R) throws(StoreError) -> R {
    do throws(CryptoError) {
        return try body()
    } catch {
        throw .crypto
    }
}
