/// The tables that a check walks.
package enum VerifyTable: String, Sendable, CaseIterable {
    case tokens, index, subjects, requests, meta
}

/// One thing that is not as it was written. For the structured answer to an operator, never for a log: it may carry a
/// whole token. What prints is masked.
package struct VerifyFinding: Equatable, Sendable {
    /// The raw values are stable names for machines.
    package enum Kind: String, Sendable, CaseIterable {
        /// LMDB cannot read a page, or a key below the position leads nowhere: what lay there was stepped over.
        case unreadable = "unreadable"
        /// Keys are not in ascending order, so that searches miss some.
        case disordered = "disordered"
        /// A key that no version of Strongroom writes.
        case keyInvalid = "key_invalid"
        /// A record or value of a size or form that no version of Strongroom writes.
        case layoutInvalid = "layout_invalid"
        /// The record names a format that is not on file.
        case formatUnknown = "format_unknown"
        /// The record names a data key version that the keyring does not have.
        case keyVersionUnknown = "key_version_unknown"
        /// The record names a purpose set that is not on file.
        case purposeSetUnknown = "purpose_set_unknown"
        /// The record does not open: its bytes, its place or its key are not those it was sealed with.
        case recordDamaged = "record_damaged"
        /// The record has a subject and the subjects table has none.
        case subjectMissing = "subject_missing"
        /// The subject does not open.
        case subjectDamaged = "subject_damaged"
        /// The subjects table has a subject for a token that has none, or that does not exist.
        case subjectUnclaimed = "subject_unclaimed"
        /// The subject is sealed under another data key version than its record.
        case subjectVersion = "subject_version"
        /// The record's card cannot be found: a second tokenize would make a second token.
        case indexMissing = "index_missing"
        /// An index entry leads to a token that does not exist: its record is hidden or lost.
        case recordMissing = "record_missing"
        /// An index entry leads to a record of another card, format or subject.
        case indexMismatch = "index_mismatch"
        /// An index entry names another index key version than the one it was made under.
        case indexVersion = "index_version"
        /// The card on record equals a live token.
        case cardIsToken = "card_is_token"
        /// LMDB's own count of a table is not the number of its entries.
        case entryCount = "entry_count"
        /// A counter is not the number of what it counts.
        case counter = "counter"
    }

    package let kind: Kind
    package let table: VerifyTable
    /// The token that the finding is about, 0 where there is none; secret from logs.
    package var token: UInt64 = 0
    /// How many entries of the table had been seen.
    package var position: UInt64 = 0
    /// What a count or a counter is about: `data key 2`, `index key 1`, `format 3`; else empty.
    package var subject: String = ""
    /// The number on file and the number found, for counts.
    package var stored: UInt64 = 0
    package var counted: UInt64 = 0
}

extension VerifyFinding: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// One line for a log: the token as its last four digits.
    package var description: String {
        var text = "\(kind.rawValue) in \(table.rawValue) at \(position)"
        if token != 0 {
            let last4 = String(token % 10_000)
            text += ", token ending in " + String(repeating: "0", count: 4 - last4.count) + last4
        }
        if !subject.isEmpty { text += ", \(subject)" }
        if kind == .counter || kind == .entryCount { text += ": \(stored) on file, \(counted) found" }
        return text
    }

    package var debugDescription: String { description }

    /// No children, so that `dump` and test frameworks show no whole token.
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

/// What a check found.
package struct VerifyReport: Sendable {
    /// Most findings that are kept; more are only counted.
    package static let findingsMax = 1_000

    /// Entries looked at one by one.
    package internal(set) var records: UInt64 = 0
    package internal(set) var indexEntries: UInt64 = 0
    package internal(set) var subjects: UInt64 = 0
    package internal(set) var requests: UInt64 = 0
    /// The first `findingsMax` findings.
    package internal(set) var findings: [VerifyFinding] = []
    /// All findings, kept or not.
    package internal(set) var findingCount: UInt64 = 0
    /// True once every table was walked to its end and the counters were compared.
    package internal(set) var isComplete = false

    /// Whether the store is whole as far as a complete check can tell.
    package var isSound: Bool { isComplete && findingCount == 0 }

    mutating func add(_ finding: VerifyFinding) {
        findingCount += 1
        if findings.count < Self.findingsMax { findings.append(finding) }
    }
}

/// How far a check is.
package struct VerifyProgress: Sendable {
    package let table: VerifyTable
    /// Entries looked at so far, and all there were at the start, over all tables.
    package let done: UInt64
    package let total: UInt64
    package let findings: UInt64
}
