import SecretMemory
import Testing

@testable import VaultCore

@Suite("Changes of a keyring")
struct KeyringChangeTests {
    private let anna = KeyAuthority(requestedBy: "anna (1000)", approvedBy: "bob (1001)")

    private func refusal(_ body: () throws(KeyChangeError) -> Keyring) -> KeyChangeError? {
        do throws(KeyChangeError) {
            _ = try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("a rotation retires the active version, adds the next, and leaves the other purpose alone")
    func rotate() throws {
        let first = try Keyring.create(now: 100)
        let second = try first.rotating(.data, now: 200, by: anna, reason: .age)
        #expect(second.generation == 2)
        #expect(second.vaultID == first.vaultID)
        #expect(second.root == first.root)
        let old = try #require(second.version(.data, 1))
        #expect(old.state == .retiring)
        #expect([old.created, old.retired, old.destroyed] == [100, 200, 0])
        #expect(old.keyBytes == first.version(.data, 1)?.keyBytes)
        let new = try #require(second.active(.data))
        #expect(new.number == 2)
        #expect([new.created, new.retired] == [200, 0])
        #expect(new.keyBytes.count == 32)
        #expect(new.keyBytes != old.keyBytes)
        #expect(second.retiring(.data).map(\.number) == [1])
        #expect(second.retiring(.index).isEmpty)
        #expect(second.active(.index)?.number == 1)
        #expect(
            second.annex.rotations == [RotationNote(purpose: .data, version: 1, reason: .age, authority: anna)])
        // The generation that was is as it was.
        #expect(first.active(.data)?.number == 1)
        #expect(first.annex.rotations.isEmpty)
    }

    @Test("a purpose without a key cannot be rotated")
    func noActive() throws {
        let keyring = try Keyring.create(now: 1).without(.audit)
        let error = refusal { () throws(KeyChangeError) in
            try keyring.rotating(.audit, now: 2, by: anna, reason: .age)
        }
        #expect(error == .noActiveVersion(.audit))
        #expect(error?.code == "no_active_version")
        let added = try keyring.adding(.audit, now: 3)
        #expect(added.active(.audit)?.number == 1 && added.generation == keyring.generation + 1)
        #expect(try added.rotating(.audit, now: 4, by: anna, reason: .age).active(.audit)?.number == 2)
    }

    @Test("destroying is refused by code for the active, a destroyed and a missing version")
    func destroyRefusals() throws {
        let keyring = try Keyring.create(now: 1).rotated(.data)
        func destroy(_ keyring: Keyring, _ purpose: KeyPurpose, _ number: UInt32) -> KeyChangeError? {
            refusal { () throws(KeyChangeError) in
                try keyring.destroying(purpose, number, now: 3, recordsMoved: 0, by: anna)
            }
        }
        #expect(destroy(keyring, .data, 2) == .isActive(.data, 2))
        #expect(destroy(keyring, .data, 2)?.code == "version_active")
        #expect(destroy(keyring, .index, 1) == .isActive(.index, 1))
        #expect(destroy(keyring, .data, 3) == .noSuchVersion(.data, 3))
        #expect(destroy(keyring, .data, 0)?.code == "no_such_version")
        #expect(destroy(keyring, .audit, 1) == .isActive(.audit, 1))
        #expect(destroy(keyring, .data, 1) == nil)
        let after = try keyring.destroyingRetired(.data)
        #expect(destroy(after, .data, 1) == .isDestroyed(.data, 1))
        #expect(destroy(after, .data, 1)?.code == "version_destroyed")
    }

    @Test("a receipt says when the version lived, who ended it, and what was moved")
    func receipt() throws {
        let carol = KeyAuthority(requestedBy: "carol (1002)")
        let rotated = try Keyring.create(now: 100).rotating(.index, now: 200, by: anna, reason: .operatorCommand)
        let keyring = try rotated.destroying(.index, 1, now: 300, recordsMoved: 12, by: carol)
        #expect(keyring.generation == 3)
        let receipt = try #require(keyring.annex.receipts.first)
        #expect(receipt.purpose == .index)
        #expect(receipt.version == 1)
        #expect([receipt.created, receipt.retired, receipt.destroyed] == [100, 200, 300])
        #expect(receipt.recordsMoved == 12)
        #expect(receipt.generation == 3)
        #expect(receipt.reason == .operatorCommand)
        #expect(receipt.rotation == anna)
        #expect(receipt.destruction == carol)
        #expect(receipt.hash.count == 32)
        #expect(keyring.annex.rotations.isEmpty)
        let version = try #require(keyring.version(.index, 1))
        #expect(version.state == .destroyed)
        #expect(version.keyBytes.isEmpty)
        #expect([version.created, version.retired, version.destroyed] == [100, 200, 300])
        // Another receipt chains to it.
        let later = try keyring.rotated(.index).destroyingRetired(.index)
        #expect(later.annex.receipts.count == 2)
        #expect(later.annex.receipts[0] == receipt)
        #expect(later.annex.receipts[1].hash != receipt.hash)
    }

    @Test("each change is one generation, and no number is used twice in fifty rotations")
    func numbers() throws {
        var keyring = try Keyring.create(now: 1)
        var numbers: [UInt32] = [1]
        var keys: Set<[UInt8]> = [keyring.versions[0].keyBytes]
        for round in 0..<50 {
            let before = keyring.generation
            keyring = try keyring.rotated(.data)
            #expect(keyring.generation == before + 1)
            if round % 3 == 2 { keyring = try keyring.destroyingRetired(.data) }
            let active = try #require(keyring.active(.data))
            numbers.append(active.number)
            #expect(keys.insert(active.keyBytes).inserted)
        }
        #expect(numbers == Array(1...51))
        #expect(keyring.versions.filter { $0.purpose == .data }.map(\.number) == Array(1...51))
        #expect(try decoded(try encoded(keyring)).annex == keyring.annex)
    }

    @Test("two retiring versions are usable beside the active one, which comes first")
    func twoRetiring() throws {
        let keyring = try Keyring.create(now: 1).rotated(.data).rotated(.data)
        #expect(keyring.usable(.data).map(\.number) == [3, 1, 2])
        #expect(keyring.retiring(.data).map(\.number) == [1, 2])
        #expect(keyring.annex.rotations.map(\.version) == [1, 2])
    }

    @Test("another root key or annex is a new generation with the same keys")
    func rewrapped() throws {
        let keyring = try Keyring.create(now: 1)
        let description = RootDescription(kind: .credential, since: 5)
        let rewrapped = keyring.rewrapped(description)
        #expect(rewrapped.generation == 2)
        #expect(rewrapped.root == description)
        #expect(rewrapped.versions.map(\.keyBytes) == keyring.versions.map(\.keyBytes))
        let file = try encoded(rewrapped, root: 9)
        #expect(refusal(file, root: 7) == .wrongRootKey)
        #expect(try decoded(file, root: 9).active(.data)?.keyBytes == keyring.active(.data)?.keyBytes)
        let annotated = rewrapped.annotated { $0.nextPendingID = 9 }
        #expect(annotated.generation == 3)
        #expect(annotated.annex.nextPendingID == 9)
        #expect(annotated.root == description)
    }

    private func refusal(_ bytes: [UInt8], root: UInt8) -> KeyringError? {
        VaultCoreTests.refusal(bytes, root: root)
    }
}

/// Key bytes for versions whose keys do not matter.
enum RootKeyBytes {
    static func empty() -> SecretBytes { SecretBytes(count: 0) }
}
