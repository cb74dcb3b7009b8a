internal import LMDB

/// The tables of a vault and their names in LMDB.
///
/// | table    | key                           | value                                   |
/// |----------|-------------------------------|-----------------------------------------|
/// | tokens   | token, native 64-bit integer  | record, 64 bytes (`RecordLayout`)       |
/// | index    | 32 bytes (`BlindIndex`)       | index key version                       |
/// | subjects | token                         | sealed subject (`RecordCipher.sealText`) |
/// | requests | hash of client and request id | token, time                             |
/// | meta     | text (`MetaKey`)              | integers, names                         |
struct Tables: Sendable {
    let tokens: IntegerTable
    let index: BytesTable
    let subjects: IntegerTable
    let requests: BytesTable
    let meta: BytesTable

    static let count = 5

    init(_ transaction: inout WriteTransaction, create: Bool) throws(LMDBError) {
        tokens = try transaction.integerTable("tokens", create: create)
        index = try transaction.bytesTable("index", create: create)
        subjects = try transaction.integerTable("subjects", create: create)
        requests = try transaction.bytesTable("requests", create: create)
        meta = try transaction.bytesTable("meta", create: create)
    }
}

/// Keys of the meta table.
enum MetaKey {
    /// Longest value of the table: a damaged page may claim gigabytes, past the end of the file.
    static let valueBytesMax = 48

    /// Schema version, 8 bytes.
    static let schema = [UInt8]("schema")
    /// Vault id, 16 bytes.
    static let vault = [UInt8]("vault")

    /// Records sealed under a data key version now, 8 bytes.
    static func dataRecords(_ version: UInt32) -> [UInt8] { numbered("records/data/", version) }
    /// Entries under an index key version now, 8 bytes.
    static func indexEntries(_ version: UInt32) -> [UInt8] { numbered("records/index/", version) }
    /// Encryptions ever done under a data key version, rounded up by what a crash may have lost, 8 bytes.
    static func encryptions(_ version: UInt32) -> [UInt8] { numbered("encryptions/data/", version) }
    /// Records that a rotation has moved out of a data key version, ever, 8 bytes.
    static func movedRecords(_ version: UInt32) -> [UInt8] { numbered("moved/data/", version) }
    /// Entries that a rotation has moved out of an index key version, ever, 8 bytes.
    static func movedEntries(_ version: UInt32) -> [UInt8] { numbered("moved/index/", version) }
    /// Where the move to the active data key version goes on: version (4), passed over (4), token (8).
    static let dataCursor = [UInt8]("cursor/data")
    /// Where the move to the active index key version goes on: version (4), passed over (4), index key (32).
    static let indexCursor = [UInt8]("cursor/index")
    /// The keyring generation this database goes with, and the one about to be written, 16 bytes.
    static let keyringMark = [UInt8]("keyring")
    /// The epoch of the last start, and the one about to be written, 16 bytes.
    static let epoch = [UInt8]("epoch")
    /// The audit log as of the last write: sequence (8) and link (32) of its last record.
    static let auditHead = [UInt8]("audit/head")
    /// Where the database lay at the last start, hashed, 16 bytes.
    static let place = [UInt8]("place")
    /// Tokens of a format now, 8 bytes.
    static func formatTokens(_ id: UInt16) -> [UInt8] { numbered("tokens/format/", UInt32(id)) }
    /// Honey tokens now, 8 bytes; not there before the first.
    static let honeyTokens = [UInt8]("tokens/honey")
    /// Id of a format, 2 bytes and a checksum; the name follows the prefix.
    static let formatPrefix = [UInt8]("format/")
    /// Bit of a purpose, 1 byte and a checksum; the name follows the prefix.
    static let purposePrefix = [UInt8]("purpose/")
    /// Mask of a purpose set, 8 bytes and a checksum; the set id (2 bytes) follows the prefix.
    static let purposeSetPrefix = [UInt8]("purposes/")

    /// Key of a purpose set's mask.
    static func purposeSet(_ id: UInt16) -> [UInt8] {
        var key = purposeSetPrefix
        key.append(bigEndian: id)
        return key
    }

    private static func numbered(_ prefix: StaticString, _ number: UInt32) -> [UInt8] {
        var key = [UInt8](prefix)
        key.append(bigEndian: number)
        return key
    }
}
