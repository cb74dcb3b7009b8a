internal import Glibc

/// The machine's users, by name and number.
enum UnixUser {
    /// The name of a user; `nil` where the system knows none.
    static func name(of id: UInt32) -> String? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        // The buffer outlives every use of what points into it.
        guard unsafe getpwuid_r(id, &entry, &buffer, buffer.count, &found) == 0, let found = unsafe found,
            let name = unsafe found.pointee.pw_name
        else { return nil }
        return unsafe String(cString: name)
    }

    /// The number of a user; `nil` where the system knows no such name.
    static func id(of name: String) -> UInt32? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        // As above.
        guard unsafe getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, let found = unsafe found else {
            return nil
        }
        return unsafe found.pointee.pw_uid
    }

    /// The user this process acts as.
    static var own: UInt32 { geteuid() }
}
