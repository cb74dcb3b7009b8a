import CPKCS11
import Testing

@testable import PKCS11

extension TokenTests {
    @Suite("Keys of a token")
    struct KeyTests {
        let folder: TokenFolder

        init() throws {
            folder = try TokenFolder(tokens: "vault")
        }

        @Test("a new key is there afterwards, and in a later session")
        func generate() throws {
            var session = try folder.open()
            var known = try session.hasKey(label: "root")
            #expect(!known)
            try session.generateKey(label: "root")
            known = try session.hasKey(label: "root")
            #expect(known)
            _ = consume session

            var later = try folder.open()
            known = try later.hasKey(label: "root")
            #expect(known)
            known = try later.hasKey(label: "roo")
            #expect(!known)
        }

        @Test("a new key is a private AES key of 256 bits that wraps, does not encrypt and does not leave the token")
        func attributes() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            let yes: [CK_ATTRIBUTE_TYPE] = [
                CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_WRAP, CKA_UNWRAP,
            ]
            for type in yes {
                let value = try session.attribute(type, ofKey: "root", count: 1)
                #expect(value == [1], "attribute \(type)")
            }
            for type in [CKA_EXTRACTABLE, CKA_ENCRYPT, CKA_DECRYPT] {
                let value = try session.attribute(type, ofKey: "root", count: 1)
                #expect(value == [0], "attribute \(type)")
            }
            let id = try session.attribute(CKA_ID, ofKey: "root", count: 4)
            #expect(id == Array("root".utf8))
            let value = try session.attribute(CKA_VALUE, ofKey: "root", count: 32)
            #expect(value == nil)
        }

        @Test("a second key of a label is refused, even where the first is unfit")
        func exists() throws {
            var session = try folder.open()
            try session.generateKey(label: "root")
            try session.importKey("loose", extractable: true)
            for label in ["root", "loose"] {
                let error = failure { () throws(PKCS11Error) in try session.generateKey(label: label) }
                #expect(error == .keyExists)
            }
            let count = try session.countObjects()
            #expect(count == 2)
        }

        @Test("keys without a label, or with an endless one, are refused")
        func labels() throws {
            var session = try folder.open()
            for label in ["", String(repeating: "a", count: 256)] {
                let made = failure { () throws(PKCS11Error) in try session.generateKey(label: label) }
                #expect(made == .badLabel)
                let asked = failure { () throws(PKCS11Error) in _ = try session.hasKey(label: label) }
                #expect(asked == .badLabel)
            }
            try session.generateKey(label: String(repeating: "a", count: 255))
        }

        @Test("a key that can leave the token, shows its value or is not AES-256 is refused for all that keys are for")
        func unfit() throws {
            var session = try folder.open()
            try session.importKey("fit")
            try session.importKey("extractable", extractable: true)
            try session.importKey("open", sensitive: false)
            try session.importKey("short", value: [UInt8](repeating: 1, count: 16))
            try session.importKey("generic", type: CKK_GENERIC_SECRET)
            let secret = [UInt8](repeating: 7, count: 32)
            let wrapped = try session.wrap(secret.span, keyLabel: "fit")
            let faults: [(String, KeyFault)] = [
                ("extractable", .extractable), ("open", .notSensitive), ("short", .notAES256), ("generic", .notAES256),
            ]
            for (label, fault) in faults {
                let asked = failure { () throws(PKCS11Error) in _ = try session.hasKey(label: label) }
                #expect(asked == .keyUnfit(fault))
                let wrapping = failure { () throws(PKCS11Error) in _ = try session.wrap(secret.span, keyLabel: label) }
                #expect(wrapping == .keyUnfit(fault))
                let unwrapping = failure { () throws(PKCS11Error) in
                    _ = try session.unwrapped(wrapped, keyLabel: label)
                }
                #expect(unwrapping == .keyUnfit(fault))
            }
        }

        @Test("two keys of one label are refused")
        func ambiguous() throws {
            var session = try folder.open()
            try session.importKey("root", value: [UInt8](repeating: 1, count: 32))
            try session.importKey("root", value: [UInt8](repeating: 2, count: 32))
            let error = failure { () throws(PKCS11Error) in _ = try session.hasKey(label: "root") }
            #expect(error == .keyAmbiguous)
        }

        @Test(
            "a new key that is not as asked is destroyed",
            arguments: [
                (CKA_EXTRACTABLE, UInt8(1), KeyFault.extractable), (CKA_SENSITIVE, 0, .notSensitive),
                (CKA_NEVER_EXTRACTABLE, 0, .onceExtractable), (CKA_VALUE_LEN, 16, .notAES256),
                (CKA_KEY_TYPE, 0x10, .notAES256),
            ])
        func notAsAsked(type: CK_ATTRIBUTE_TYPE, value: UInt8, fault: KeyFault) throws {
            var session = try FaultyToken.lying("vault", about: type, as: value)
            let error = failure { () throws(PKCS11Error) in try session.generateKey(label: "root") }
            #expect(error == .keyUnfit(fault))
            let count = try session.countObjects()
            #expect(count == 0)
        }
    }
}
