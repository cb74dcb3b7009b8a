import Glibc
import Testing

@testable import VaultCore

@Suite("Replacing the keyring file")
struct KeyringStoreTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/keyring" }

    /// What writing a keyring fails with; `nil` where it does not.
    private static func failure(_ keyring: Keyring, at path: String) -> KeyringError? {
        do throws(KeyringError) {
            try KeyringFile.store(keyring, at: path, root: RootKey.test())
            return nil
        } catch {
            return error
        }
    }

    @Test("a failed replacement leaves the earlier generation readable")
    func replacement() throws {
        let first = try Keyring.create(now: 1)
        try KeyringFile.store(first, at: path, root: RootKey.test())
        let second = try first.rotated(.data)
        try KeyringFile.store(second, at: path, root: RootKey.test())
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        // What cannot be read back for what it is never takes its place.
        let senseless = Keyring(generation: 3, vaultID: second.vaultID, versions: [])
        #expect(
            Self.failure(senseless, at: path) == .file(FileError(operation: "read back", path: path, code: EIO)))
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        #expect(directory.names == ["keyring"])
    }

    @Test("a new file that a crash left half-written is replaced, and never read")
    func leftover() throws {
        let first = try Keyring.create(now: 1)
        try KeyringFile.store(first, at: path, root: RootKey.test())
        let second = try first.rotated(.data)
        write(Array(try encoded(second).dropLast(40)), to: path + ".new")
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 1)
        try KeyringFile.store(second, at: path, root: RootKey.test())
        #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        #expect(directory.names == ["keyring"])
    }

    @Test("a key that came back as another key, generation, state, annex or root is refused by the canary")
    func canary() throws {
        let keyring = try Keyring.rich()
        func refused(_ other: Keyring) -> Bool {
            do throws(KeyringError) {
                try KeyringFile.prove(keyring, other)
                return false
            } catch {
                return error == .damaged
            }
        }
        #expect(!refused(try decoded(try encoded(keyring))))
        func with(
            generation: UInt64? = nil, annex: KeyringAnnex? = nil, _ change: (KeyVersion) throws -> KeyVersion = { $0 }
        ) throws -> Keyring {
            Keyring(
                generation: generation ?? keyring.generation, vaultID: keyring.vaultID,
                versions: try keyring.versions.map(change), root: keyring.root, annex: annex ?? keyring.annex)
        }
        for (purpose, number) in [(.data, 3), (.data, 2), (.index, 1)] as [(KeyPurpose, UInt32)] {
            let swapped = try with {
                guard $0.purpose == purpose, $0.number == number else { return $0 }
                return try .made(purpose, number, $0.state)
            }
            #expect(refused(swapped), "\(purpose) \(number)")
        }
        #expect(refused(try with { $0.number == 2 ? try $0.with(state: .active) : $0 }))
        #expect(refused(try with(generation: 1)))
        #expect(refused(try with(annex: KeyringAnnex())))
        #expect(refused(keyring.described { $0.since += 1 }))
        #expect(refused(Keyring(generation: keyring.generation, vaultID: keyring.vaultID, versions: [])))
    }

    @Test("where the new file cannot be made, or finds no room, the old one stays")
    func noRoom() async {
        await #expect(processExitsWith: .success) {
            let directory = TemporaryDirectory()
            let path = directory.path + "/keyring"
            let first = try Keyring.create(now: 1)
            let second = try first.rotated(.data)
            try KeyringFile.store(first, at: path, root: RootKey.test())
            let before = try AtomicFile.read(path)

            // No file beyond a few bytes: what a full disk does to a write.
            _ = signal(SIGXFSZ, SIG_IGN)
            for size in [0, 1, 100, 400] {
                var usual = rlimit()
                _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &usual)
                var limit = rlimit(rlim_cur: rlim_t(size), rlim_max: usual.rlim_max)
                _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                let failure = Self.failure(second, at: path)
                _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &usual)
                #expect(failure == .file(FileError(operation: "write", path: path + ".new", code: EFBIG)))
                #expect(try AtomicFile.read(path) == before)
                #expect(directory.names == ["keyring"])
            }

            // Root may write anywhere; nobody may not.
            _ = unsafe chmod(directory.path, 0o555)
            _ = unsafe chmod(path, 0o644)
            let isRoot = geteuid() == 0
            if isRoot { #expect(seteuid(65_534) == 0) }
            #expect(
                Self.failure(second, at: path)
                    == .file(FileError(operation: "open", path: path + ".new", code: EACCES)))
            if isRoot { #expect(seteuid(0) == 0) }
            _ = unsafe chmod(directory.path, 0o700)
            #expect(try AtomicFile.read(path) == before)
            #expect(directory.names == ["keyring"])
        }
    }

    @Test("where the directory cannot be flushed after the switch, that is said, and the new file is in place")
    func switchUnknown() async {
        await #expect(processExitsWith: .success) {
            let directory = TemporaryDirectory()
            let path = directory.path + "/keyring"
            let first = try Keyring.create(now: 1)
            let second = try first.rotated(.data)
            try KeyringFile.store(first, at: path, root: RootKey.test())
            let isRoot = geteuid() == 0
            _ = unsafe chown(directory.path, isRoot ? 65_534 : .max, .max)
            // Files may be made and renamed in it, and it cannot be opened itself.
            _ = unsafe chmod(directory.path, 0o300)
            if isRoot { #expect(seteuid(65_534) == 0) }
            let failure = Self.failure(second, at: path)
            if isRoot { #expect(seteuid(0) == 0) }
            _ = unsafe chmod(directory.path, 0o700)
            guard case .switchUnknown(let error) = failure else {
                Issue.record("\(failure.map { "\($0)" } ?? "no failure")")
                return
            }
            #expect(error.path == directory.path)
            #expect(try KeyringFile.load(from: path, root: RootKey.test()).generation == 2)
        }
    }
}
