/// Why a share was not taken. Carries identifiers, indices and counts, never bytes of a share.
package enum ShareError: Error, Equatable, Sendable {
    /// Not a share at all, or one of another version.
    case malformed(MalformedShare)
    /// It looks like a share, but the checksum or the prefix does not fit: something was mistyped.
    case mistyped
    /// A share of another set.
    case foreign(found: UInt32, expected: UInt32)
    /// A share with this index was entered already.
    case repeated(index: UInt8)
    /// The set has another threshold than the share says.
    case wrongThreshold(found: UInt8, expected: UInt8)
    /// The set has no share with this index.
    case unknownIndex(index: UInt8, count: UInt8)
    /// Asked for the secret before enough shares were entered.
    case tooFew(have: Int, need: Int)
    /// libcrypto failed.
    case crypto

    /// What programs tell errors apart by; the raw values never change.
    package enum Code: String, Sendable, CaseIterable {
        case malformed = "share_malformed"
        case mistyped = "share_mistyped"
        case foreign = "share_foreign"
        case repeated = "share_repeated"
        case wrongThreshold = "share_wrong_threshold"
        case unknownIndex = "share_unknown_index"
        case tooFew = "share_too_few"
        case crypto = "share_crypto"
    }

    /// The code of this error.
    package var code: Code {
        switch self {
        case .malformed: .malformed
        case .mistyped: .mistyped
        case .foreign: .foreign
        case .repeated: .repeated
        case .wrongThreshold: .wrongThreshold
        case .unknownIndex: .unknownIndex
        case .tooFew: .tooFew
        case .crypto: .crypto
        }
    }

    /// What is wrong, for the custodian.
    package var message: String {
        switch self {
        case .malformed(let problem): "share: \(problem.message)"
        case .mistyped: "share: mistyped; compare every group, and the prefix, with what was written down"
        case .foreign(let found, let expected):
            "share: of set \(Share.text(ofSet: found)), but set \(Share.text(ofSet: expected)) is needed"
        case .repeated(let index): "share: number \(index) was entered already"
        case .wrongThreshold(let found, let expected):
            "share: says that \(found) shares are needed, but the set needs \(expected)"
        case .unknownIndex(let index, let count): "share: number \(index) of a set of \(count)"
        case .tooFew(let have, let need): "share: \(have) of \(need) entered"
        case .crypto: "share: libcrypto failed"
        }
    }
}

/// What makes a text no share. Carries positions and counts only.
package enum MalformedShare: Equatable, Sendable {
    /// More bytes than any share has, however it is spaced.
    case tooLong
    /// It does not begin like `sr-1a2b3c4d-2:`.
    case prefix
    /// Another number of characters after the colon.
    case length(Int)
    /// A character in this group, counted from 1, is in no share.
    case character(group: Int)
    /// A version that this program does not read.
    case version(UInt8)

    /// What is wrong, for the custodian.
    package var message: String {
        switch self {
        case .tooLong: "longer than \(ShareText.inputBytesMax) bytes"
        case .prefix: "does not begin like sr-1a2b3c4d-2:"
        case .length(let count):
            "\(count) letters and digits after the colon; a share has \(ShareText.symbolCount)"
        case .character(let group): "group \(group) has a character that is in no share"
        case .version(let version): "version \(version) was made by another version of strongroom; this one reads 1"
        }
    }
}
