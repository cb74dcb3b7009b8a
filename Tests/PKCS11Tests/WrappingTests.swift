import CPKCS11
import SecretMemory
import Testing

@testable import PKCS11

extension TokenTests {
    @Suite("Wrapping under a token's key")
    struct WrappingTests {
        let folder: TokenFolder
        let secret = (0..<32).map { UInt8($0 * 7 + 1) }

        init() throws {
            folder = try TokenFolder(tokens: "vault")
        }

        @Test("a secret comes back from its wrapped form, into protected memory, and nothing of it stays in the token")
        func roundTrip() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            #expect(wrapped.count == TokenSession.wrappedBytes)
            let back = try SecretBytes(count: 32) { (room: inout MutableSpan<UInt8>) throws(PKCS11Error) in
                try session.unwrap(wrapped.span, keyLabel: "root", into: &room)
            }
            let isSame = constantTimeEqual(back.span, secret.span)
            #expect(isSame)
            let count = try session.countObjects()
            #expect(count == 1)
        }

        @Test("what one session wrapped, a later one unwraps")
        func laterSession() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            _ = consume session

            var later = try folder.open()
            let back = try later.unwrapped(wrapped, keyLabel: "root")
            #expect(back == secret)
        }

        @Test("two keys wrap differently, and neither unwraps what the other wrapped")
        func twoKeys() throws {
            var session = try folder.open()
            try session.generateKey(label: "first")
            try session.generateKey(label: "second")
            let first = try session.wrap(secret.span, keyLabel: "first")
            let second = try session.wrap(secret.span, keyLabel: "second")
            #expect(first != second)
            let crossed = failure { () throws(PKCS11Error) in _ = try session.unwrapped(first, keyLabel: "second") }
            #expect(crossed == .authenticationFailed)
            let firstBack = try session.unwrapped(first, keyLabel: "first")
            let secondBack = try session.unwrapped(second, keyLabel: "second")
            #expect(firstBack == secret && secondBack == secret)
        }

        @Test("a wrapped secret with any byte altered is refused, and the room for the secret is wiped")
        func altered() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            for index in wrapped.indices {
                for change: UInt8 in [0x01, 0x80, 0xFF] {
                    var altered = wrapped
                    altered[index] ^= change
                    var room = [UInt8](repeating: 0x5A, count: 32)
                    let error = failure { () throws(PKCS11Error) in
                        var span = room.mutableSpan
                        try session.unwrap(altered.span, keyLabel: "root", into: &span)
                    }
                    #expect(error == .authenticationFailed, "byte \(index) ^ \(change)")
                    #expect(room.allSatisfy { $0 == 0 })
                }
            }
            let count = try session.countObjects()
            #expect(count == 1)
        }

        @Test("a wrapped secret of another length is refused")
        func wrongWrappedLength() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            for other in [[], Array(wrapped.dropLast()), wrapped + [0], Array(wrapped.prefix(32)), wrapped + wrapped] {
                let error = failure { () throws(PKCS11Error) in _ = try session.unwrapped(other, keyLabel: "root") }
                #expect(error == .authenticationFailed)
            }
        }

        @Test("a secret, or the room for one, of another length is refused")
        func wrongSecretLength() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            for count in [0, 16, 31, 33, 64] {
                var bytes = [UInt8](repeating: 1, count: count)
                let wrapping = failure { () throws(PKCS11Error) in _ = try session.wrap(bytes.span, keyLabel: "root") }
                #expect(wrapping == .badLength)
                let unwrapping = failure { () throws(PKCS11Error) in
                    var room = bytes.mutableSpan
                    try session.unwrap(wrapped.span, keyLabel: "root", into: &room)
                }
                #expect(unwrapping == .badLength)
            }
        }

        @Test("a key that the token does not have neither wraps nor unwraps")
        func missingKey() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            let wrapping = failure { () throws(PKCS11Error) in _ = try session.wrap(secret.span, keyLabel: "other") }
            #expect(wrapping == .keyNotFound)
            let unwrapping = failure { () throws(PKCS11Error) in _ = try session.unwrapped(wrapped, keyLabel: "other") }
            #expect(unwrapping == .keyNotFound)
        }

        @Test("a token that unwraps nothing any more is not taken for an altered secret")
        func notUnwrapping() throws {
            var session = try FaultyToken.notUnwrapping("vault")
            try session.generateKey(label: "root")
            let wrapped = try session.wrap(secret.span, keyLabel: "root")
            let error = failure { () throws(PKCS11Error) in _ = try session.unwrapped(wrapped, keyLabel: "root") }
            #expect(error == .callFailed(.unwrapKey, code: CKR_GENERAL_ERROR))
        }

        @Test("a secret that may have stayed in the token is an error")
        func notDestroying() throws {
            var first = try folder.open()
            try first.generateKey(label: "root")
            let wrapped = try first.wrap(secret.span, keyLabel: "root")
            _ = consume first

            var session = try FaultyToken.notDestroying("vault")
            let wrapping = failure { () throws(PKCS11Error) in _ = try session.wrap(secret.span, keyLabel: "root") }
            #expect(wrapping == .callFailed(.destroyObject, code: CKR_FUNCTION_FAILED))
            let unwrapping = failure { () throws(PKCS11Error) in _ = try session.unwrapped(wrapped, keyLabel: "root") }
            #expect(unwrapping == .callFailed(.destroyObject, code: CKR_FUNCTION_FAILED))
        }

        @Test("a function that a module leaves out is an error, and the secret is gone from the token")
        func incomplete() throws {
            var session = try FaultyToken.incomplete("vault")
            try session.generateKey(label: "root")
            let error = failure { () throws(PKCS11Error) in _ = try session.wrap(secret.span, keyLabel: "root") }
            #expect(error == .callFailed(.wrapKey, code: CKR_FUNCTION_NOT_SUPPORTED))
            let count = try session.countObjects()
            #expect(count == 1)
        }
    }
}
