/// How a record lies in the token table: 64 bytes, one cache line.
///
/// ```
///  offset size
///       0    1  layout version, 1
///       1    1  flags            1 subject linked, 2 legal hold, 4 honey token
///       2    2  format id        (FormatRegistry)
///       4    4  data key version
///       8    4  created          Unix seconds
///      12    4  deadline         Unix seconds from which the token is a miss; 0 = none
///      16    2  purpose set id   (PurposeRegistry; 0 = any purpose)
///      18    2  zero
///      20   12  nonce
///      32   16  ciphertext of one block:
///                  0  8  PAN as an integer
///                  8  1  digits of the PAN, 12...19
///                  9  1  zero
///                 10  2  expiry, months since 2000-01 plus one; 0 = none
///                 12  4  zero
///      48   16  tag
/// ```
/// Integers are big-endian. The key in the table is the token, an unsigned 64-bit integer.
/// AAD = token (8 bytes) and bytes 0..<20: a record cannot be moved to another token, nor its deadline, purposes or flags
/// be edited, without its tag failing.
package enum RecordLayout {
    package static let version: UInt8 = 1
    package static let byteCount = 64
    /// The part in clear that the AAD covers.
    package static let headerBytes = 20
    package static let nonceBytes = 12
    package static let blockBytes = 16
    package static let tagBytes = 16
    package static let associatedBytes = 8 + headerBytes

    static let nonceOffset = 20
    static let ciphertextOffset = 32
    static let tagOffset = 48
}

/// Bits of a record's flags byte.
package struct RecordFlags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The token belongs to a subject, kept sealed in the subjects table.
    package static let subjectLinked = RecordFlags(rawValue: 1)
    /// Kept past its deadline, unreadable to clients, until released.
    package static let hold = RecordFlags(rawValue: 2)
    /// A trap: looks real, alarms when revealed.
    package static let honey = RecordFlags(rawValue: 4)

    static let known: RecordFlags = [.subjectLinked, .hold, .honey]
}

/// The clear part of a record.
package struct RecordHeader: Equatable, Sendable {
    package var flags: RecordFlags
    package var format: UInt16
    package var keyVersion: UInt32
    /// Unix seconds.
    package var created: UInt32
    /// Unix seconds; 0 = none.
    package var deadline: UInt32
    package var purposeSet: UInt16

    /// Reads the header of a stored record; `nil` where size, layout version, flags or reserved bytes are not as written
    /// by this version.
    package init?(_ record: borrowing Span<UInt8>) {
        guard record.count == RecordLayout.byteCount, record[0] == RecordLayout.version else { return nil }
        flags = RecordFlags(rawValue: record[1])
        guard RecordFlags.known.isSuperset(of: flags), record[18] == 0, record[19] == 0 else { return nil }
        format = UInt16(bigEndian: record, at: 2)
        keyVersion = UInt32(bigEndian: record, at: 4)
        created = UInt32(bigEndian: record, at: 8)
        deadline = UInt32(bigEndian: record, at: 12)
        purposeSet = UInt16(bigEndian: record, at: 16)
    }

    package init(
        flags: RecordFlags = [], format: UInt16, keyVersion: UInt32, created: UInt32, deadline: UInt32,
        purposeSet: UInt16
    ) {
        self.flags = flags
        self.format = format
        self.keyVersion = keyVersion
        self.created = created
        self.deadline = deadline
        self.purposeSet = purposeSet
    }

    /// Whether the token is a miss at this time, swept or not.
    @inlinable package func isExpired(now: UInt32) -> Bool { deadline != 0 && now >= deadline }

    /// Writes bytes 0..<20.
    func write(to record: inout MutableSpan<UInt8>) {
        record[0] = RecordLayout.version
        record[1] = flags.rawValue
        record.store(bigEndian: format, at: 2)
        record.store(bigEndian: keyVersion, at: 4)
        record.store(bigEndian: created, at: 8)
        record.store(bigEndian: deadline, at: 12)
        record.store(bigEndian: purposeSet, at: 16)
        record[18] = 0
        record[19] = 0
    }
}
