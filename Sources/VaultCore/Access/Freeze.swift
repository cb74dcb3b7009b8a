/// What is frozen.
package enum FreezeScope: Hashable, Sendable {
    /// Every reveal.
    case all
    /// Everything that one client does.
    case client(String)
    /// Reveals of tokens of one format.
    case format(String)

    /// For people and logs.
    package var text: String {
        switch self {
        case .all: "all reveals"
        case .client(let name): "client \(name)"
        case .format(let name): "format \(name)"
        }
    }

    /// Reads `text` back.
    package init?(_ text: String) {
        if text == FreezeScope.all.text {
            self = .all
            return
        }
        let parts = text.split(separator: " ")
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "client": self = .client(String(parts[1]))
        case "format": self = .format(String(parts[1]))
        default: return nil
        }
    }
}

/// Since when, by whom and why something is frozen.
package struct Freeze: Equatable, Sendable {
    package enum Cause: UInt8, Sendable, CaseIterable {
        /// An operator's command.
        case command = 0
        /// The client went past a hard limit.
        case limit = 1
        /// The client asked for a honey token.
        case honey = 2
        /// What was frozen before the start is not known: the file that says so is damaged.
        case damage = 3

        package var name: StaticString {
            switch self {
            case .command: "command"
            case .limit: "limit"
            case .honey: "honey"
            case .damage: "damage"
            }
        }
    }

    /// Bytes of a reason.
    package static let reasonBytesMax = 200

    /// Whether a text may be a reason: one line without control characters, and without what could be a card number.
    package static func isReason(_ text: String) -> Bool {
        text.utf8.count <= reasonBytesMax && !CardLikeText.isIn(text)
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    }

    package let cause: Cause
    /// Unix seconds.
    package let since: UInt64
    /// The operator, or the vault itself.
    package let by: String
    package let reason: String

    package init(cause: Cause, since: UInt64, by: String, reason: String) {
        self.cause = cause
        self.since = since
        self.by = by
        self.reason = reason
    }

    func write(to writer: inout StateWriter) {
        writer.append(cause.rawValue)
        writer.append(since)
        writer.append(by)
        writer.append(reason)
    }

    init(_ reader: inout StateReader) throws(StateDamaged) {
        guard let cause = Cause(rawValue: try reader.integer()) else { throw StateDamaged() }
        self.init(cause: cause, since: try reader.integer(), by: try reader.text(), reason: try reader.text())
    }
}
