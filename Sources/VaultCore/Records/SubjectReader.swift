internal import LMDB
internal import OpenSSLCrypto

/// Reads whom tokens belong to, for reports: one thread, one reader slot, short snapshots.
///
/// Sealed under the data keys that were in force when it was made; a subject that was moved to a newer key meanwhile is
/// read by a new reader.
package struct SubjectReader: ~Copyable {
    /// Entries looked at per snapshot.
    private static let sliceEntries = 2_000

    private var reader: Reader
    private var cipher: RecordCipher
    private let tables: Tables

    package init(store: Store, keyring: Keyring) throws(StoreError) {
        let cipher = try crypto { () throws(CryptoError) in try RecordCipher(keyring) }
        let reader = try lmdb { () throws(LMDBError) in try Reader(store.environment) }
        self.init(reader: reader, cipher: cipher, tables: store.tables)
    }

    private init(reader: consuming Reader, cipher: consuming RecordCipher, tables: Tables) {
        self.reader = reader
        self.cipher = cipher
        self.tables = tables
    }

    /// The subjects of tokens, in order; `nil` where a token has none, is not there any more, or does not open.
    package mutating func subjects(of tokens: [UInt64]) throws(StoreError) -> [[UInt8]?] {
        do throws(LMDBError) {
            return try Self.subjects(of: tokens, &reader, &cipher, tables)
        } catch {
            throw .lmdb(error)
        }
    }

    private static func subjects(
        of tokens: [UInt64], _ reader: inout Reader, _ cipher: inout RecordCipher, _ tables: Tables
    ) throws(LMDBError) -> [[UInt8]?] {
        let snapshot = try reader.snapshot()
        var subjects: [[UInt8]?] = []
        subjects.reserveCapacity(tokens.count)
        for token in tokens {
            guard let sealed = try snapshot.get(tables.subjects, token) else {
                subjects.append(nil)
                continue
            }
            subjects.append(try? cipher.openText(sealed, token: token))
        }
        return subjects
    }

    /// Every token of a subject that is in the vault now. Walks all subjects, about a microsecond each: there is no index
    /// by subject that could be stolen. `nil` where `goesOn` ended it.
    package mutating func tokens(of subject: [UInt8], goesOn: () -> Bool) throws(StoreError) -> Set<UInt64>? {
        var found: Set<UInt64> = []
        var start: UInt64? = 0
        while let from = start {
            guard goesOn() else { return nil }
            do throws(LMDBError) {
                start = try Self.slice(from: from, of: subject, &found, &reader, &cipher, tables)
            } catch {
                throw .lmdb(error)
            }
        }
        return found
    }

    /// Looks at some entries; the key to go on from, `nil` at the end.
    private static func slice(
        from start: UInt64, of subject: [UInt8], _ found: inout Set<UInt64>, _ reader: inout Reader,
        _ cipher: inout RecordCipher, _ tables: Tables
    ) throws(LMDBError) -> UInt64? {
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(tables.subjects)
        guard try cursor.seek(atOrAfter: start) else { return nil }
        for _ in 0..<sliceEntries {
            let token = cursor.key
            if let text = try? cipher.openText(cursor.value, token: token), text == subject { found.insert(token) }
            guard try cursor.next() else { return nil }
        }
        return cursor.key
    }
}
