internal import Synchronization

/// Who may operate the vault, worked out from the configuration. Immutable: a reload makes a new one.
struct OperatorBook: Sendable {
    /// One person.
    struct Entry: Sendable {
        let person: Operator
        let commands: Set<ControlPlane.Command>
        /// Whether one-time codes are asked for.
        let usesCodes: Bool
    }

    /// Whether the configuration names operators. Where it does not, root and the daemon's own user may do everything.
    let isConfigured: Bool
    /// The commands that ask for a one-time code.
    let codeCommands: Set<ControlPlane.Command>
    /// For how long a code lets its operator go on.
    let codeSeconds: UInt64
    private let entries: [UInt32: Entry]

    init(_ configuration: Configuration) {
        isConfigured = !configuration.operators.isEmpty
        codeCommands = Set(configuration.control.codeCommands.compactMap { ControlPlane.Command(rawValue: $0) })
        codeSeconds = UInt64(configuration.control.codeMinutes) * 60
        var entries: [UInt32: Entry] = [:]
        for person in configuration.operators {
            // A user that is gone since the configuration was checked is nobody.
            guard let uid = person.user.id else { continue }
            entries[uid] = Entry(
                person: Operator(uid: uid, name: person.name), commands: Self.commands(person.allow),
                usesCodes: person.mfa == .totp)
        }
        if !isConfigured {
            for uid in [0, UnixUser.own] {
                entries[uid] = Entry(
                    person: Operator(uid: uid), commands: Set(ControlPlane.Command.allCases), usesCodes: false)
            }
        }
        self.entries = entries
    }

    /// The operator of a Unix user; `nil` for everybody else.
    func entry(_ uid: UInt32) -> Entry? { entries[uid] }

    /// The operator of a name.
    func entry(named name: String) -> Entry? { entries.values.first { $0.person.name == name } }

    /// Everybody, by name.
    var all: [Entry] { entries.values.sorted { $0.person.name < $1.person.name } }

    private static func commands(_ rights: [String]) -> Set<ControlPlane.Command> {
        let roles = Set(rights.compactMap { OperatorRole(rawValue: $0) })
        return Set(
            ControlPlane.Command.allCases.filter { rights.contains($0.rawValue) || !$0.roles.isDisjoint(with: roles) })
    }
}

/// The operators in force.
final class OperatorBox: Sendable {
    private let book: Mutex<OperatorBook>

    init(_ book: OperatorBook) { self.book = Mutex(book) }

    var current: OperatorBook { book.withLock { $0 } }

    func replace(_ book: OperatorBook) { self.book.withLock { $0 = book } }
}
