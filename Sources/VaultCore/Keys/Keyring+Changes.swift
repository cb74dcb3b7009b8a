internal import OpenSSLCrypto
internal import SecretMemory

/// Who is answerable for a change of the keys, for its receipt.
package struct KeyAuthority: Equatable, Sendable {
    /// The operator, as `name (uid)`; "automatic" for the vault itself.
    package var requestedBy: String
    /// The second person; empty where none was asked for.
    package var approvedBy: String

    package init(requestedBy: String, approvedBy: String = "") {
        self.requestedBy = requestedBy
        self.approvedBy = approvedBy
    }

    /// The vault itself, going by its configuration.
    package static let automatic = KeyAuthority(requestedBy: "automatic")
}

/// Why a change of the keys was refused. Nothing was changed.
package enum KeyChangeError: Error, Equatable, Sendable {
    case noActiveVersion(KeyPurpose)
    case noSuchVersion(KeyPurpose, UInt32)
    case isActive(KeyPurpose, UInt32)
    case isDestroyed(KeyPurpose, UInt32)
    case holdsRecords(KeyPurpose, UInt32, UInt64)
    case rotationUnderWay(KeyPurpose, UInt32)
    case crypto

    /// Stable, for machines.
    package var code: String {
        switch self {
        case .noActiveVersion: "no_active_version"
        case .noSuchVersion: "no_such_version"
        case .isActive: "version_active"
        case .isDestroyed: "version_destroyed"
        case .holdsRecords: "version_in_use"
        case .rotationUnderWay: "rotation_under_way"
        case .crypto: "crypto_failed"
        }
    }

    package var message: String {
        switch self {
        case .noActiveVersion(let purpose): "this vault has no \(purpose.name) key to rotate"
        case .noSuchVersion(let purpose, let number): "there is no \(purpose.name) key version \(number)"
        case .isActive(let purpose, let number):
            "\(purpose.name) key version \(number) is active; rotate first, and its records are moved"
        case .isDestroyed(let purpose, let number): "\(purpose.name) key version \(number) is destroyed already"
        case .holdsRecords(let purpose, let number, let count):
            "\(purpose.name) key version \(number) still protects \(count) \(count == 1 ? "entry" : "entries")"
        case .rotationUnderWay(let purpose, let number):
            "a rotation of the \(purpose.name) key is under way: version \(number) is retiring"
        case .crypto: "libcrypto failed"
        }
    }
}

// Each change is a new generation; the old one stays as it is for those who still read by it.
extension Keyring {
    /// A new active version; the one before retires.
    package func rotating(
        _ purpose: KeyPurpose, now: UInt64, by authority: KeyAuthority, reason: RotationReason
    ) throws(KeyChangeError) -> Keyring {
        guard let active = active(purpose) else { throw .noActiveVersion(purpose) }
        var versions = versions.map { $0 === active ? $0.changed(to: .retiring, retired: now) : $0 }
        let number = (versions.filter { $0.purpose == purpose }.map(\.number).max() ?? 0) + 1
        do throws(CryptoError) {
            versions.append(try .drawn(purpose, number, now: now))
        } catch {
            throw .crypto
        }
        var annex = annex
        annex.rotations.append(
            RotationNote(purpose: purpose, version: active.number, reason: reason, authority: authority))
        return next(versions: versions, annex: annex)
    }

    /// With a first version of a key that the vault did not have.
    package func adding(_ purpose: KeyPurpose, now: UInt64) throws(KeyChangeError) -> Keyring {
        precondition(version(purpose, 1) == nil, "a first version is added once")
        do throws(CryptoError) {
            return next(versions: versions + [try .drawn(purpose, 1, now: now)], annex: annex)
        } catch {
            throw .crypto
        }
    }

    /// A retiring version without its key, and with a receipt instead. The caller has made sure that nothing needs it.
    package func destroying(
        _ purpose: KeyPurpose, _ number: UInt32, now: UInt64, recordsMoved: UInt64, by authority: KeyAuthority
    ) throws(KeyChangeError) -> Keyring {
        let version = try destroyable(purpose, number)
        var annex = annex
        do throws(CryptoError) {
            annex.receipts.append(
                try DestructionReceipt(
                    of: version, destroyed: now, recordsMoved: recordsMoved, generation: generation + 1,
                    rotation: annex.rotations.first { $0.purpose == purpose && $0.version == number },
                    authority: authority, after: annex.receipts.last))
        } catch {
            throw .crypto
        }
        annex.rotations.removeAll { $0.purpose == purpose && $0.version == number }
        let versions = versions.map {
            $0 === version ? $0.changed(to: .destroyed, retired: $0.retired, destroyed: now) : $0
        }
        return next(versions: versions, annex: annex)
    }

    /// The version, where its state allows its destruction.
    package func destroyable(_ purpose: KeyPurpose, _ number: UInt32) throws(KeyChangeError) -> KeyVersion {
        guard let version = version(purpose, number) else { throw .noSuchVersion(purpose, number) }
        switch version.state {
        case .active: throw .isActive(purpose, number)
        case .destroyed: throw .isDestroyed(purpose, number)
        case .retiring: return version
        }
    }

    /// The same keys under another root key, and what changes in the annex with it.
    package func rewrapped(_ root: RootDescription, _ change: (inout KeyringAnnex) -> Void = { _ in }) -> Keyring {
        var annex = annex
        change(&annex)
        return Keyring(generation: generation + 1, vaultID: vaultID, versions: versions, root: root, annex: annex)
    }

    /// The same keys with another annex.
    package func annotated(_ change: (inout KeyringAnnex) -> Void) -> Keyring {
        var annex = annex
        change(&annex)
        return next(versions: versions, annex: annex)
    }

    private func next(versions: [KeyVersion], annex: KeyringAnnex) -> Keyring {
        Keyring(generation: generation + 1, vaultID: vaultID, versions: versions, root: root, annex: annex)
    }
}
