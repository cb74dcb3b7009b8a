import Glibc
import Testing

@testable import LMDB

@Suite("Locks and file systems")
struct LockTests {
    @Test("a second lock on a directory is refused with the owner's process id, and free after release")
    func exclusive() throws {
        let directory = TemporaryDirectory()
        do {
            let lock = try DirectoryLock(directory: directory.path)
            #expect(
                kind { () throws(LMDBError) in
                    _ = try DirectoryLock(directory: directory.path)
                } == .alreadyLocked(pid: getpid()))
            _ = consume lock
        }
        let again = try DirectoryLock(directory: directory.path)
        _ = consume again
    }

    @Test("a lock in a missing directory or behind a symbolic link is refused")
    func badPlaces() throws {
        let directory = TemporaryDirectory()
        #expect(kind { () throws(LMDBError) in _ = try DirectoryLock(directory: directory.path + "/absent") } == .other)
        _ = unsafe symlink("/tmp/strongroom-elsewhere", directory.path + "/strongroom.lock")
        #expect(kind { () throws(LMDBError) in _ = try DirectoryLock(directory: directory.path) } == .other)
        let created = unsafe access("/tmp/strongroom-elsewhere", F_OK) == 0
        #expect(!created)
    }

    @Test("the same directory cannot be opened twice in one process, by whatever name")
    func openedTwice() throws {
        let store = try Store()
        let again = store.directory.path + "/../" + (store.directory.path.split(separator: "/").last ?? "")
        #expect(kind { () throws(LMDBError) in _ = try Environment(path: again, mapBytes: 1 << 20) } == .alreadyOpen)
        let directory = store.directory
        _ = consume store
        _ = try Environment(path: directory.path, mapBytes: 1 << 20)
        _ = try Environment(path: directory.path, mapBytes: 1 << 20)
    }

    @Test("every network file system is refused as such and FUSE as unsupported", arguments: FileSystemKind.allCases)
    func networkFileSystems(file: FileSystemKind) {
        let expected: LMDBError.Kind = file == .fuse ? .unsupportedFileSystem(.fuse) : .networkFileSystem(file)
        #expect(kind { () throws(LMDBError) in try FileSystemKind.check(magic: file.magic) } == expected)
    }

    @Test(
        "local file systems pass: ext4, XFS, Btrfs, tmpfs, overlay, ZFS",
        arguments: [
            0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1,
        ] as [UInt32])
    func localFileSystems(magic: UInt32) throws {
        try FileSystemKind.check(magic: magic)
        try FileSystemKind.check(path: "/")
        #expect(kind { () throws(LMDBError) in try FileSystemKind.check(path: "/absent/absent") } == .other)
    }
}
