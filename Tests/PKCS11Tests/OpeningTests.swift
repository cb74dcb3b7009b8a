import Foundation
import Testing

@testable import PKCS11

extension TokenTests {
    @Suite("Opening a token")
    struct OpeningTests {
        @Test("a module that is not there, or is named without its folder, is refused")
        func missingModule() {
            for path in ["/nowhere/libmodule.so", "libsofthsm2.so", "", "/usr/lib/softhsm/../softhsm/none.so"] {
                #expect(failure { () throws(PKCS11Error) in _ = try Module(path: path) } == .moduleNotFound)
            }
        }

        @Test("a file that is no shared library, and a folder, are refused")
        func noLibrary() throws {
            let folder = try TokenFolder()
            let file = folder.folder.appending(path: "module.so").path
            try "no library".write(toFile: file, atomically: true, encoding: .utf8)
            for path in [file, "/usr/lib"] {
                #expect(failure { () throws(PKCS11Error) in _ = try Module(path: path) } == .moduleNotLoadable)
            }
        }

        @Test("a shared library that is no PKCS#11 module is refused")
        func noModule() throws {
            let libraries = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"]
            let library = try #require(libraries.first { FileManager.default.fileExists(atPath: $0) })
            #expect(failure { () throws(PKCS11Error) in _ = try Module(path: library) } == .notAModule)
        }

        @Test("a token that no slot has is refused, and a prefix of its label is not its label")
        func missingToken() throws {
            let folder = try TokenFolder(tokens: "vault")
            for label in ["other", "vaul", "vault2", "Vault"] {
                #expect(failure { () throws(PKCS11Error) in _ = try folder.open(label) } == .tokenNotFound)
            }
            for label in ["", String(repeating: "a", count: 33)] {
                #expect(failure { () throws(PKCS11Error) in _ = try folder.open(label) } == .badLabel)
            }
            _ = try folder.open("vault")
        }

        @Test("a label may fill all of its 32 bytes")
        func longLabel() throws {
            let label = String(repeating: "v", count: 32)
            let folder = try TokenFolder(tokens: label)
            _ = try folder.open(label)
        }

        @Test("two tokens of one label are refused, and another beside them is not")
        func ambiguousToken() throws {
            let folder = try TokenFolder(tokens: "vault", "vault", "other")
            #expect(failure { () throws(PKCS11Error) in _ = try folder.open("vault") } == .tokenAmbiguous)
            _ = try folder.open("other")
        }

        @Test("a wrong PIN is refused, and the right one works afterwards")
        func wrongPIN() throws {
            let folder = try TokenFolder(tokens: "vault")
            for pin in ["4712", "471", "47111", "12345678", ""] {
                let error = failure { () throws(PKCS11Error) in _ = try folder.open(pin: Array(pin.utf8)) }
                #expect(error == .wrongPIN)
            }
            _ = try folder.open()
        }

        @Test("a module that somebody else has initialized stays so")
        func alreadyInitialized() throws {
            let folder = try TokenFolder(tokens: "vault")
            var first = try folder.open()
            try first.generateKey(label: "root")
            do {
                // A login of the same process holds for all of its sessions.
                var second = try folder.open(pin: [1])
                let known = try second.hasKey(label: "root")
                #expect(known)
            }
            let known = try first.hasKey(label: "root")
            #expect(known)
        }

        @Test("a token without AES key wrap is refused")
        func missingMechanism() throws {
            let folder = try TokenFolder(tokens: "vault")
            #expect(throws: PKCS11Error.mechanismMissing) { _ = try FaultyToken.notWrapping("vault") }
            _ = try folder.open()
        }

        @Test("an error says which call failed and how")
        func message() {
            let error = PKCS11Error.callFailed(.unwrapKey, code: 0x30)
            #expect(error.message == "C_UnwrapKey failed with CKR 0x30")
            #expect(PKCS11Error.keyUnfit(.extractable).message.contains("CKA_EXTRACTABLE"))
        }
    }
}
