import SecretMemory
import StrongroomClient
import VaultCore
import VaultServer

/// Splits the root key of a new vault and hands the shares out.
struct ShareDistribution {
    let threshold: Int
    let count: Int
    /// One name for each share.
    let custodians: [String]
    let handout: ShareHandout

    /// Returns `keyring` as it opens with the shares, which their custodians have by then. `made` has the files that were
    /// made, in the case of an error too.
    func perform(
        _ keyring: Keyring, root: borrowing RootKey, now: UInt64, made: inout [String]
    ) throws(Failure) -> Keyring {
        let split = try split(root, keyring.vaultID, now)
        let description = split.description
        try handout.perform(try sheet(split), made: &made)
        return keyring.rewrapped(description) { annex in
            annex.custodians = custodians.enumerated().map { index, name in
                Custodian(name: name, setID: description.setID, index: UInt8(index + 1), since: now)
            }
        }
    }

    private func split(_ root: borrowing RootKey, _ vault: VaultID, _ now: UInt64) throws(Failure) -> ShareSplit {
        do throws(SplitError) {
            return try ShareSplit(root, threshold: threshold, count: count, vaultID: vault, since: now)
        } catch {
            throw Failure(error == .random ? .osError : .configuration, error.message)
        }
    }

    /// The sheet as it comes from a running vault, read as strictly: it is looked at before anybody gets a share.
    private func sheet(_ split: borrowing ShareSplit) throws(Failure) -> ShareSheet {
        let bytes = split.sheet(id: 0, custodians)
        var copy = SecureBuffer(capacity: bytes.count)
        copy.append(contentsOf: bytes.span)
        do throws(ShareSheet.Fault) {
            return try ShareSheet(copy)
        } catch {
            throw Failure(.software, "line \(error.line) of the shares makes no sense")
        }
    }
}
