internal import LMDB
internal import OpenSSLCrypto

/// Checks a store against itself while it serves: every record opens, every index entry leads to a record of its card
/// and every record is found through its index entry, subjects belong to someone, and the counters tell the truth.
///
/// LMDB has no checksums. A flipped bit in a record fails its tag; one in a page's structure can hide a record from
/// searches without any error, and only this check sees that. It looks every entry up by its key, as a request would,
/// and not only in passing: a walk does not use the branch pages that a search needs.
///
/// Reads in slices of `sliceEntries`, each a fresh snapshot, so that no old snapshot pins pages for long; all questions
/// about one entry are asked in one snapshot. The counts at the end need one snapshot for a plain walk over everything:
/// about 0.1 us an entry. A damaged page is reported and stepped over. Runs on the caller's thread and takes one reader
/// slot. Where the keyring changes meanwhile, it goes on with the new one.
package struct Verifier: ~Copyable {
    /// Entries looked at per snapshot.
    package static let sliceEntries = 2_000

    private var reader: Reader
    private var checker: VerifyChecker

    package init(store: Store, keyring: Keyring) throws(StoreError) {
        let checker = try VerifyChecker(keyring: keyring, tables: store.tables)
        let reader = try lmdb { () throws(LMDBError) in try Reader(store.environment) }
        self.init(reader: reader, checker: checker)
    }

    private init(reader: consuming Reader, checker: consuming VerifyChecker) {
        self.reader = reader
        self.checker = checker
    }

    /// Checks everything and reports. Calls `progress` after each slice; where it answers false the check ends there,
    /// with `isComplete` false. It may sleep in `progress` to leave the processor to requests: no snapshot is open
    /// then. `keyring` gives the keyring in force; `nil` where it does not change.
    package mutating func run(
        keyring: () -> Keyring? = { nil }, progress: (VerifyProgress) -> Bool
    ) -> VerifyReport {
        Self.run(&reader, &checker, keyring: keyring, progress: progress)
        return checker.report
    }

    private static func run(
        _ reader: inout Reader, _ checker: inout VerifyChecker, keyring: () -> Keyring?,
        progress: (VerifyProgress) -> Bool
    ) {
        checker.report = VerifyReport()
        checker.begin(&reader)
        for table in [VerifyTable.tokens, .index, .subjects, .requests] {
            guard walk(table, &reader, &checker, keyring: keyring, progress: progress) else { return }
        }
        checker.compareCounts(&reader)
        checker.report.isComplete = true
    }

    /// Walks one table in slices; false where `progress` ended it.
    private static func walk(
        _ table: VerifyTable, _ reader: inout Reader, _ checker: inout VerifyChecker, keyring: () -> Keyring?,
        progress: (VerifyProgress) -> Bool
    ) -> Bool {
        var start = VerifyKey.first
        var stumbles = 0
        // Stumbles in a row with no entry between them: each then steps twice as far.
        var barren: UInt64 = 0
        while true {
            let seen = checker.seen(table)
            let before = checker.report
            let slice = checker.slice(of: table, from: start, &reader)
            // A slice may have met keys that came while it ran: again, with them.
            if let current = keyring(), checker.adopts(current) {
                checker.report = before
                continue
            }
            switch slice {
            case .end:
                return progress(checker.progress(table))
            case .more(let next):
                start = next
            case .broken(let last):
                checker.note(.unreadable, table)
                stumbles += 1
                barren = checker.seen(table) == seen ? barren + 1 : 0
                guard stumbles <= VerifyChecker.stumblesMax, barren < 64,
                    let next = checker.stepOver(table, from: last, atLeast: (1 << barren) - 1, &reader)
                else { return progress(checker.progress(table)) }
                start = next
            }
            guard progress(checker.progress(table)) else { return false }
        }
    }
}

/// A place in a table: the whole key, or its first eight bytes with zeros after them, from which a walk goes on.
struct VerifyKey {
    /// The key of an integer table, or the first eight bytes of another table's key as a number.
    var leading: UInt64
    /// The other bytes of a key.
    var rest: [UInt8] = []

    static let first = VerifyKey(leading: 0)

    /// The smallest key above, in an integer table; `nil` at the end of all keys.
    var nextInteger: VerifyKey? { leading == .max ? nil : VerifyKey(leading: leading + 1) }

    /// The key as bytes for a search.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: leading)
        return bytes + rest
    }

    /// The smallest key above `key`: the key itself and a zero.
    init(above key: borrowing Span<UInt8>) {
        var bytes = key.copied + [0]
        while bytes.count < 8 { bytes.append(0) }
        leading = UInt64(bigEndian: bytes.span, at: 0)
        rest = Array(bytes[8...])
    }

    init(leading: UInt64) { self.leading = leading }
}

/// How a slice of a walk ended.
enum VerifySlice {
    case end
    /// There may be more at or after this key.
    case more(VerifyKey)
    /// LMDB could not go on at or after this key.
    case broken(VerifyKey)
}
