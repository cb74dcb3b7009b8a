import Foundation
import Testing

@testable import PKCS11

extension TokenTests {
    @Suite("Published vectors of AES key wrap")
    struct VectorTests {
        /// A file of published vectors, byte strings in hex.
        struct File: Decodable {
            struct Case: Decodable {
                var id: Int
                var keySize: Int
                var key: String
                var msg: String
                var ct: String
                var result: String
            }
            var cases: [Case]
        }

        @Test("secrets of 32 bytes under keys of 256 bits wrap and unwrap as published, and all else is refused")
        func wycheproof() throws {
            guard let file = try Self.load() else { return }
            let folder = try TokenFolder(tokens: "vault")
            var session = try folder.open()
            var valid = 0
            var refused = 0
            for test in file.cases where test.keySize == 256 {
                let label = "case \(test.id)"
                try session.importKey(label, value: Self.bytes(test.key))
                let message = Self.bytes(test.msg)
                let wrapped = Self.bytes(test.ct)
                if test.result == "valid", message.count == TokenSession.secretBytes {
                    let made = try session.wrap(message.span, keyLabel: label)
                    #expect(made == wrapped, "case \(test.id)")
                    let back = try session.unwrapped(wrapped, keyLabel: label)
                    #expect(back == message, "case \(test.id)")
                    valid += 1
                } else {
                    let error = failure { () throws(PKCS11Error) in
                        _ = try session.unwrapped(wrapped, keyLabel: label)
                    }
                    #expect(error == .authenticationFailed, "case \(test.id)")
                    if wrapped.count == TokenSession.wrappedBytes { refused += 1 }
                }
            }
            // A file without such cases would check nothing.
            #expect(valid > 0 && refused > 0)
            print("AES key wrap: \(valid) valid cases, \(refused) forged ones of the right length")
        }

        /// Reads the file from the folder that `STRONGROOM_VECTORS` names, else from `../shared/vectors` beside the
        /// package. Returns nil, and says so, when it is not there.
        private static func load() throws -> File? {
            let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let folder =
                ProcessInfo.processInfo.environment["STRONGROOM_VECTORS"].map { URL(filePath: $0) }
                ?? root.deletingLastPathComponent().appending(path: "shared/vectors")
            let file = folder.appending(path: "wycheproof_aes_wrap.json")
            guard FileManager.default.fileExists(atPath: file.path) else {
                print("!!! vectors absent: wycheproof_aes_wrap.json is not in STRONGROOM_VECTORS or ../shared/vectors")
                return nil
            }
            return try JSONDecoder().decode(File.self, from: Data(contentsOf: file))
        }

        private static func bytes(_ hex: String) -> [UInt8] {
            let digits = hex.compactMap(\.hexDigitValue)
            return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
        }
    }
}
