internal import CLMDB
internal import Glibc

/// When a file was made.
package enum FileBirth {
    /// Nanoseconds since 1970; 0 where the file system does not say. Any thread. The corresponding C function is `statx`.
    package static func nanoseconds(of path: String) -> UInt64 { UInt64(max(0, unsafe strongroom_birth_time(path))) }
}

/// The file systems the vault must not live on, recognised by the magic number `statfs` reports.
///
/// LMDB needs one coherent memory map and working locks; network and cluster file systems promise neither, and FUSE
/// promises whatever its program does.
package enum FileSystemKind: String, Equatable, Sendable, CaseIterable {
    case nfs = "NFS"
    case smb = "SMB"
    case cifs = "CIFS"
    case smb2 = "SMB2"
    case ncp = "NCP"
    case plan9 = "9p"
    case ceph = "Ceph"
    case gfs2 = "GFS2"
    case ocfs2 = "OCFS2"
    case lustre = "Lustre"
    case afs = "AFS"
    case openAFS = "OpenAFS"
    case coda = "Coda"
    case fuse = "FUSE"

    /// The number in `f_type`, as in `linux/magic.h` and `statfs(2)`.
    package var magic: UInt32 {
        switch self {
        case .nfs: 0x6969
        case .smb: 0x517B
        case .cifs: 0xFF53_4D42
        case .smb2: 0xFE53_4D42
        case .ncp: 0x564C
        case .plan9: 0x0102_1997
        case .ceph: 0x00C3_6400
        case .gfs2: 0x0116_1970
        case .ocfs2: 0x7461_636F
        case .lustre: 0x0BD0_0BD0
        case .afs: 0x6B41_4653
        case .openAFS: 0x5346_414F
        case .coda: 0x7375_7245
        case .fuse: 0x6573_5546
        }
    }

    /// Refuses a directory or file on one of these file systems.
    ///
    /// Throws `networkFileSystem`, `unsupportedFileSystem` (FUSE), or the `errno` of `statfs` (`other` for a path that
    /// does not exist). Callable from any thread. The corresponding C function is `statfs`.
    package static func check(path: String) throws(LMDBError) {
        let magic = unsafe strongroom_file_system_magic(path)
        if magic < 0 { throw LMDBError(code: errno, .statfs) }
        try check(magic: UInt32(truncatingIfNeeded: magic))
    }

    /// The decision by number alone.
    static func check(magic: UInt32) throws(LMDBError) {
        guard let kind = allCases.first(where: { $0.magic == magic }) else { return }
        throw LMDBError(kind == .fuse ? .unsupportedFileSystem(kind) : .networkFileSystem(kind), .statfs)
    }
}
