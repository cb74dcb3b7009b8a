internal import Glibc

/// A person at the control socket, known by the Unix user.
struct Operator: Sendable {
    let uid: UInt32
    /// `name (uid)`, or the number alone where the system knows no name.
    let text: String

    init(uid: UInt32) {
        self.uid = uid
        text = Self.name(of: uid).map { "\($0) (\(uid))" } ?? String(uid)
    }

    private static func name(of uid: UInt32) -> String? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        // The buffer outlives every use of what points into it.
        guard unsafe getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, let found = unsafe found,
            let name = unsafe found.pointee.pw_name
        else { return nil }
        return unsafe String(cString: name)
    }
}
