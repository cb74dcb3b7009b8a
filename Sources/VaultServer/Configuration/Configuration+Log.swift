extension Configuration {
    /// The log, on standard error.
    package struct Log: ConfigurationSection {
        /// The least severe messages that are written.
        package var level = Level.info
        /// How a message is written.
        package var format = Format.text

        package init() {}

        package static let fields: [ConfigurationField<Log>] = [
            .value("level", \.level, .word),
            .value("format", \.format, .word, reload: .restart),
        ]

        /// Severities, least first.
        package enum Level: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        /// How a message is written.
        package enum Format: String, Sendable, CaseIterable {
            /// A line for people and the journal.
            case text
            /// A JSON object per line.
            case json
        }
    }

    /// The operators' socket.
    package struct Control: ConfigurationSection {
        /// The Unix group that may connect; nil is the daemon's own group.
        package var group: String? = "strongroom-ops"
        /// The socket's permission bits; none for others.
        package var mode: UInt32 = 0o660
        /// How long a command waits for its second person.
        package var approvalExpiry = Duration.days(1)
        /// How long entered shares wait for the next one; then all of them are wiped.
        package var unsealExpiry = Duration.seconds(900)
        /// For how many minutes a one-time code lets its operator go on.
        package var codeMinutes = 15
        /// The commands that ask for one.
        package var codeCommands = ControlPlane.Command.allCases.filter(\.asksForCode).map(\.rawValue)

        package init() {}

        package static let fields: [ConfigurationField<Control>] = [
            .value("group", \.group, ConfigurationType.groupName.orNone(), reload: .restart),
            .value("mode", \.mode, .socketMode, reload: .restart),
            .value("approval_expiry", \.approvalExpiry, .duration(.seconds(1) ... .days(30))),
            .value("unseal_expiry", \.unsealExpiry, .duration(.seconds(1) ... .days(1))),
            .value("mfa_minutes", \.codeMinutes, .integer(1...1440)),
            .value("mfa_commands", \.codeCommands, .list(of: .codedCommand)),
        ]
    }
}

extension ConfigurationType<String> {
    /// A Unix group by name.
    static let groupName = scalar("the name of a Unix group") { text, _ throws(ValueRefused) in
        guard isConfigurationName(text.hasPrefix("_") ? "a\(text)" : text), text.utf8.count <= 32 else {
            throw ValueRefused()
        }
        return text
    }
}

extension ConfigurationType<UInt32> {
    /// Permission bits in octal, `0600`, `0660` and the like: the owner reads and writes, others have nothing.
    static let socketMode = scalar("0600 or 0660") { text, _ throws(ValueRefused) in
        switch text {
        case "0600": return 0o600
        case "0660": return 0o660
        default: throw ValueRefused()
        }
    }
}
