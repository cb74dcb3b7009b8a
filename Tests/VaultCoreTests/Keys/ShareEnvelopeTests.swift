import Testing

@testable import VaultCore

@Suite("Share envelope")
struct ShareEnvelopeTests {
    private let secret = (0..<32).map { UInt8($0 &* 7 &+ 1) }
    private let vaultID: VaultID

    init() throws { vaultID = try Keyring.create(now: 1).vaultID }

    private func sealed(_ change: (inout RootDescription) -> Void = { _ in }) throws -> RootDescription {
        var description = RootDescription(kind: .shares, since: 5)
        description.threshold = 3
        description.count = 5
        description.setID = 0x1234_5678
        change(&description)
        description.wrapped = try ShareEnvelope.seal(
            RootKey.test(9), secret: secret.span, description: description, vaultID: vaultID)
        return description
    }

    /// The check value of what an envelope holds.
    private func open(
        _ description: RootDescription, secret: [UInt8]? = nil, vaultID: VaultID? = nil
    ) -> Result<UInt64, KeyringError> {
        let secret = secret ?? self.secret
        do throws(KeyringError) {
            let root = try ShareEnvelope.open(
                secret: secret.span, description: description, vaultID: vaultID ?? self.vaultID)
            return .success((try? root.checkValue()) ?? 0)
        } catch {
            return .failure(error)
        }
    }

    @Test("the root key comes out of its envelope, through the keyring file too")
    func roundTrip() throws {
        let expected = try RootKey.test(9).checkValue()
        let description = try sealed()
        #expect(description.wrapped.count == 60)
        #expect(open(description) == .success(expected))
        // Not the key in clear, and not the same twice.
        #expect(!contains(description.wrapped, [UInt8](repeating: 9, count: 4)))
        #expect(try sealed().wrapped != description.wrapped)
        let keyring = try Keyring.create(now: 1, root: description)
        #expect(try decoded(try encoded(keyring, root: 9), root: 9).root == description)
    }

    @Test("any wrong bit of the secret is a wrong root key")
    func wrongSecret() throws {
        let description = try sealed()
        for bit in 0..<256 {
            var wrong = secret
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(open(description, secret: wrong) == .failure(.wrongRootKey))
        }
    }

    @Test("an edited threshold, count or set, another vault, and a changed or cut envelope are refused")
    func edited() throws {
        let description = try sealed()
        let edits: [(inout RootDescription) -> Void] = [
            { $0.threshold = 2 }, { $0.count = 6 }, { $0.setID ^= 1 }, { $0.wrapped.removeLast() },
            { $0.wrapped.append(0) }, { $0.wrapped = [] },
        ]
        for edit in edits {
            var altered = description
            edit(&altered)
            #expect(open(altered) == .failure(.wrongRootKey))
        }
        for position in 0..<60 {
            var altered = description
            altered.wrapped[position] ^= 1
            #expect(open(altered) == .failure(.wrongRootKey), "byte \(position)")
        }
        let other = try Keyring.create(now: 1).vaultID
        #expect(open(description, vaultID: other) == .failure(.wrongRootKey))
        // When the same key is wrapped since does not matter.
        var later = description
        later.since = 99
        #expect(open(later) == .success(try RootKey.test(9).checkValue()))
    }

    @Test("new shares of the same root key make the old secret useless")
    func refreshed() throws {
        let fresh = [UInt8](repeating: 0x5A, count: 32)
        var description = try sealed { $0.setID = 2 }
        description.wrapped = try ShareEnvelope.seal(
            RootKey.test(9), secret: fresh.span, description: description, vaultID: vaultID)
        #expect(open(description) == .failure(.wrongRootKey))
        #expect(open(description, secret: fresh) == .success(try RootKey.test(9).checkValue()))
    }
}
