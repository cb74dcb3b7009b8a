import Glibc
import Testing

@testable import SecretMemory
@testable import VaultCore

@Suite("Root key")
struct RootKeyTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/root.key" }

    private func failure(_ path: String) -> RootKeyError? {
        do throws(RootKeyError) {
            let key = try RootKey.load(from: path)
            return key.isUsable ? nil : .random
        } catch {
            return error
        }
    }

    private func loadedCheckValue() throws -> UInt64 {
        let key = try RootKey.load(from: path)
        return try key.checkValue()
    }

    private func checkValue(of bytes: [UInt8]) throws -> UInt64? {
        try RootKey.checkValue(of: SecretBytes(copying: bytes.span))
    }

    @Test("a new root key is 32 random bytes in a file of mode 0600, and reads back")
    func create() throws {
        try RootKey.create(at: path)
        #expect(mode(of: path) == 0o600)
        let bytes = try AtomicFile.read(path)
        #expect(bytes.count == 32)
        #expect(Set(bytes).count > 8)
        #expect(try loadedCheckValue() == checkValue(of: bytes))
        try RootKey.create(at: path + "2")
        #expect(try AtomicFile.read(path + "2") != bytes)
    }

    @Test("a root key is never replaced")
    func noOverwrite() throws {
        try RootKey.create(at: path)
        let before = try AtomicFile.read(path)
        let error = #expect(throws: RootKeyError.self) { try RootKey.create(at: path) }
        #expect(error == .file(FileError(operation: "link", path: path, code: EEXIST)))
        #expect(try AtomicFile.read(path) == before)
    }

    @Test(
        "a file that group or others may touch in any way is refused",
        arguments: [
            0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o660, 0o644, 0o666, 0o777,
        ] as [mode_t])
    func exposed(mode: mode_t) {
        write([UInt8](repeating: 1, count: 32), to: path, mode: mode)
        #expect(failure(path) == .exposed(path: path))
    }

    @Test("modes for the owner alone are taken", arguments: [0o600, 0o400] as [mode_t])
    func ownerOnly(mode: mode_t) {
        write([UInt8](repeating: 1, count: 32), to: path, mode: mode)
        #expect(failure(path) == nil)
    }

    @Test("any size but 32 bytes is refused and named", arguments: [0, 1, 31, 33, 64, 65, 4096])
    func size(count: Int) {
        write([UInt8](repeating: 1, count: count), to: path)
        #expect(failure(path) == .size(path: path, bytes: count))
        #expect(failure(path)?.message == "root key: \(path): \(count) bytes, a root key has 32")
    }

    @Test("bytes in memory of any size but 32 are refused", arguments: [0, 31, 33])
    func memorySize(count: Int) throws {
        #expect(try checkValue(of: [UInt8](repeating: 1, count: count)) == nil)
        #expect(try checkValue(of: [UInt8](repeating: 1, count: 32)) != nil)
    }

    @Test("a missing file and a directory are errors that name the path")
    func missing() {
        #expect(failure(path) == .file(FileError(operation: "open", path: path, code: ENOENT)))
        guard case .file = failure(directory.path) else {
            Issue.record("a directory was read")
            return
        }
    }

    @Test("labels and keys give unrelated derived keys")
    func derivation() throws {
        func derived(_ byte: UInt8, _ label: StaticString) throws -> [UInt8] {
            copied(try RootKey.test(byte).derive(label))
        }
        func checkValue(_ byte: UInt8) throws -> UInt64 { try RootKey.test(byte).checkValue() }
        let first = try derived(1, "a")
        #expect(first == (try derived(1, "a")))
        #expect(first != (try derived(1, "b")))
        #expect(first != (try derived(2, "a")))
        #expect(first.count == 32)
        #expect(try checkValue(1) != checkValue(2))
    }
}

private func copied(_ key: consuming SecretBytes) -> [UInt8] { key.span.copied }
