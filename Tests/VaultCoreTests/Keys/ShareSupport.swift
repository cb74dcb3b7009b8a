import SecretMemory

@testable import VaultCore

/// What is to be known of a share, as a value that tests can compare.
struct ShareContent: Equatable {
    var setID: UInt32 = 0x1A2B_3C4D
    var threshold: UInt8 = 3
    var index: UInt8 = 2
    var bytes: [UInt8] = (0..<32).map { UInt8($0) }

    var share: Share {
        guard let share = Share(setID: setID, threshold: threshold, index: index, SecretBytes(copying: bytes.span))
        else { preconditionFailure("32 bytes") }
        return share
    }

    /// The share in writing.
    var text: [UInt8] {
        get throws(ShareError) {
            let share = share
            let text = try ShareText.encode(share)
            return text.span.copied
        }
    }

    /// What a text says; the error where it is refused.
    static func read(_ text: [UInt8]) -> Result<ShareContent, ShareError> {
        do throws(ShareError) {
            let share = try ShareText.decode(text.span)
            return .success(
                ShareContent(
                    setID: share.setID, threshold: share.threshold, index: share.index, bytes: share.span.copied))
        } catch {
            return .failure(error)
        }
    }
}

extension Result {
    /// The error, if it is one.
    var failure: Failure? {
        guard case .failure(let error) = self else { return nil }
        return error
    }
}
