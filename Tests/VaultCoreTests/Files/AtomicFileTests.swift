import Glibc
import Testing

@testable import VaultCore

@Suite("Atomic file")
struct AtomicFileTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/file" }

    @Test("a replacement leaves the new bytes in a new file of mode 0600 and nothing else")
    func replace() throws {
        try AtomicFile.replace(path, with: [1, 2, 3])
        #expect(mode(of: path) == 0o600)
        let first = inode(of: path)
        // Held open, so that its inode number cannot be given again.
        let held = unsafe open(path, O_RDONLY)
        defer { close(held) }
        try AtomicFile.replace(path, with: [4, 5])
        #expect(try AtomicFile.read(path) == [4, 5])
        #expect(inode(of: path) != first)
        #expect(mode(of: path) == 0o600)
        #expect(directory.names == ["file"])
    }

    @Test("whoever has the old file open keeps reading the old bytes")
    func oldReaders() throws {
        try AtomicFile.replace(path, with: [UInt8](repeating: 7, count: 100))
        let held = unsafe open(path, O_RDONLY)
        defer { close(held) }
        try AtomicFile.replace(path, with: [UInt8](repeating: 9, count: 50))
        var old = [UInt8](repeating: 0, count: 200)
        let count = unsafe old.withUnsafeMutableBytes { unsafe Glibc.read(held, $0.baseAddress, $0.count) }
        #expect(count == 100)
        #expect(old[0..<100].allSatisfy { $0 == 7 })
    }

    @Test("a reader that races with replacements sees one whole version")
    func race() async throws {
        let path = path
        try AtomicFile.replace(path, with: [UInt8](repeating: 0, count: 5_000))
        await withTaskGroup { group in
            group.addTask {
                for version in 1...200 {
                    do throws(FileError) {
                        try AtomicFile.replace(path, with: [UInt8](repeating: UInt8(version), count: 5_000))
                    } catch {
                        Issue.record("\(error.message)")
                    }
                    await Task.yield()
                }
            }
            group.addTask {
                var bytes: [UInt8] = []
                repeat {
                    bytes = (try? AtomicFile.read(path)) ?? []
                    #expect(bytes.count == 5_000)
                    #expect(Set(bytes).count == 1)
                    await Task.yield()
                } while bytes.first != 200 && !bytes.isEmpty
            }
        }
        #expect(try AtomicFile.read(path).first == 200)
        #expect(directory.names == ["file"])
    }

    @Test("a temporary file left by a crash, even one with open permissions, is thrown away")
    func leftover() throws {
        write([0xFF, 0xFF], to: path + ".new", mode: 0o666)
        try AtomicFile.replace(path, with: [1])
        #expect(try AtomicFile.read(path) == [1])
        #expect(mode(of: path) == 0o600)
        #expect(directory.names == ["file"])
    }

    @Test("a link in the place of the temporary file is not followed")
    func link() throws {
        write([9], to: directory.path + "/victim")
        #expect(unsafe symlink(directory.path + "/victim", path + ".new") == 0)
        try AtomicFile.replace(path, with: [1])
        #expect(try AtomicFile.read(directory.path + "/victim") == [9])
        #expect(directory.names == ["file", "victim"])
    }

    @Test("where the target cannot be replaced the temporary file is removed and the target stays")
    func renameFails() throws {
        #expect(unsafe mkdir(path, 0o700) == 0)
        write([1], to: path + "/inside")
        #expect(throws: FileError.self) { try AtomicFile.replace(path, with: [1]) }
        #expect(directory.names == ["file"])
        #expect(entries(of: path) == ["inside"])
    }

    @Test("in a directory that cannot be written, the old file stays as it is")
    func readOnlyDirectory() async {
        await #expect(processExitsWith: .success) {
            let directory = TemporaryDirectory()
            let path = directory.path + "/file"
            try AtomicFile.replace(path, with: [1, 2, 3])
            _ = unsafe chmod(path, 0o644)
            _ = unsafe chmod(directory.path, 0o555)
            // Root may write anywhere; nobody may not.
            let isRoot = geteuid() == 0
            if isRoot { #expect(seteuid(65_534) == 0) }
            let error = #expect(throws: FileError.self) { try AtomicFile.replace(path, with: [4]) }
            #expect(error?.code == EACCES)
            #expect(error?.message.hasSuffix("file.new: open: Permission denied") == true)
            let creation = #expect(throws: FileError.self) {
                let bytes: [UInt8] = [4]
                try AtomicFile.create(directory.path + "/other", with: bytes.span)
            }
            #expect(creation?.code == EACCES)
            #expect(try AtomicFile.read(path) == [1, 2, 3])
            if isRoot { #expect(seteuid(0) == 0) }
            _ = unsafe chmod(directory.path, 0o700)
            #expect(directory.names == ["file"])
        }
    }

    @Test("creating refuses to touch a file that is there")
    func create() throws {
        let bytes: [UInt8] = [1, 2]
        try AtomicFile.create(path, with: bytes.span)
        #expect(mode(of: path) == 0o600)
        let other: [UInt8] = [3]
        let error = #expect(throws: FileError.self) { try AtomicFile.create(path, with: other.span) }
        #expect(error?.code == EEXIST)
        #expect(try AtomicFile.read(path) == [1, 2])
    }

    @Test("a missing file is told from other failures")
    func missing() {
        let error = #expect(throws: FileError.self) { try AtomicFile.read(path) }
        #expect(error?.isMissing == true)
        let directoryError = #expect(throws: FileError.self) { try AtomicFile.read(directory.path) }
        #expect(directoryError?.isMissing == false)
    }

    @Test("a file above the limit is refused unread")
    func tooLarge() throws {
        write([], to: path)
        #expect(unsafe truncate(path, off_t(AtomicFile.bytesMax) + 1) == 0)
        #expect(throws: FileError.self) { try AtomicFile.read(path) }
        #expect(unsafe truncate(path, 0) == 0)
        #expect(try AtomicFile.read(path) == [])
    }

    @Test(
        "the directory of a path is found",
        arguments: [
            ("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b", "a"), ("/a/b/c", "/a/b"),
        ])
    func parent(path: String, expected: String) {
        #expect(AtomicFile.parent(of: path) == expected)
    }
}
