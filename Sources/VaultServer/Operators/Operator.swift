/// A person at the control socket, known by the Unix user.
struct Operator: Sendable {
    let uid: UInt32
    /// The configuration's name, else the system's; the number where there is neither.
    let name: String
    /// `name (uid)`, or the number alone.
    let text: String

    init(uid: UInt32, name: String? = nil) {
        self.uid = uid
        let name = name ?? UnixUser.name(of: uid)
        self.name = name ?? String(uid)
        text = name.map { "\($0) (\(uid))" } ?? String(uid)
    }
}
