extension Configuration {
    /// One person who operates the vault through the control socket. What is not named is refused.
    package struct Operator: ConfigurationSection {
        /// The name in the audit trail, in logs and in receipts. Mandatory, one operator each.
        package var name = ""
        /// The Unix user that makes a caller this operator. Mandatory, one operator each.
        package var user = User.name("")
        /// Roles and single commands. Mandatory.
        package var allow: [String] = []
        /// The second factor; nil asks for none.
        package var mfa: SecondFactor?

        package init() {}

        package static let fields: [ConfigurationField<Operator>] = [
            .value("name", \.name, .name, required: true),
            .value("user", \.user, .user, required: true),
            .value("allow", \.allow, .list(of: .operatorRight), required: true),
            .value("mfa", \.mfa, ConfigurationType.word.orNone()),
        ]

        /// A Unix user.
        package enum User: Sendable, Hashable, CustomStringConvertible {
            case id(UInt32)
            case name(String)

            package var description: String {
                switch self {
                case .id(let id): String(id)
                case .name(let name): name
                }
            }

            /// The number; nil for a name that this machine does not know.
            var id: UInt32? {
                switch self {
                case .id(let id): id
                case .name(let name): UnixUser.id(of: name)
                }
            }
        }

        /// What an operator has beside the Unix user.
        package enum SecondFactor: String, Sendable, CaseIterable {
            /// One-time codes (RFC 6238).
            case totp
        }
    }

    /// Names and users of operators must differ.
    func validateOperators(in decoder: inout ConfigurationDecoder) {
        var names: [String: Int] = [:]
        var users: [Operator.User: Int] = [:]
        for (index, person) in operators.enumerated() {
            let path = "operators[\(index)]"
            if decoder.positions["\(path).name"] != nil, !decoder.hasProblem(under: "\(path).name"),
                let first = names.updateValue(index, forKey: person.name)
            {
                let line = decoder.position(of: "operators[\(first)].name").line
                decoder.report("\(path).name", "'\(person.name)' is the name of the operator on line \(line) too")
            }
            if decoder.positions["\(path).user"] != nil, !decoder.hasProblem(under: "\(path).user"),
                let first = users.updateValue(index, forKey: person.user)
            {
                decoder.report("\(path).user", "is the user of the operator '\(operators[first].name)' too")
            }
        }
    }
}

extension ConfigurationType<Configuration.Operator.User> {
    /// The name of a Unix user, or its number.
    static let user = scalar("the name of a Unix user, or its number") { text, _ throws(ValueRefused) in
        if let number = decimal(text) {
            // The last number means "nobody in particular" to system calls.
            guard let id = UInt32(exactly: number), id != .max else { throw ValueRefused() }
            return .id(id)
        }
        guard isConfigurationName(text.hasPrefix("_") ? "a\(text)" : text), text.utf8.count <= 32 else {
            throw ValueRefused()
        }
        return .name(text)
    }
}

extension ConfigurationType<String> {
    /// A role, or a command by the name that the audit trail has it under.
    static let operatorRight = known(
        "a role (\(OperatorRole.allCases.map(\.rawValue).joined(separator: ", "))) or a command",
        among: OperatorRole.allCases.map(\.rawValue)
            + ControlPlane.Command.allCases.filter(\.isGranted).map(\.rawValue))

    /// A command that can ask for a one-time code.
    static let codedCommand = known(
        "a command that can ask for a one-time code",
        among: ControlPlane.Command.allCases.filter(\.mayAskForCode).map(\.rawValue))

    private static func known(_ expected: String, among words: [String]) -> Self {
        scalar(expected) { text, _ throws(ValueRefused) in
            if words.contains(text) { return text }
            let hint = closestName(to: text, among: words).map { ", did you mean '\($0)'?" }
            throw ValueRefused(
                message: "'\(text)' is not \(expected)" + (hint ?? "; there is \(words.joined(separator: ", "))"))
        }
    }
}
