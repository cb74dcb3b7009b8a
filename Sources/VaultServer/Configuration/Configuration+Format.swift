extension Configuration {
    /// A token format: a named rule for tokens.
    package struct Format: ConfigurationSection {
        /// The name requests use.
        package var name = ""
        /// The digits of the card number a token keeps.
        package var keep = Keep.last4
        /// Whether a token passes the card check digit.
        package var luhn = Luhn.invalid
        /// The 1 to 6 digits that every token of a format without BIN begins with. No part of formats that keep a BIN.
        package var lead = "99"
        /// Whether the same card and subject give the same token.
        package var reuse = Reuse.always
        /// The longest life of a token; nil is no limit.
        package var ttl: Duration?
        /// What a token may ever be used for.
        package var purposes = Purposes.any
        /// Whether card numbers that fail the check digit are let in.
        package var acceptLuhnInvalid = false

        package init() {}

        package static let fields: [ConfigurationField<Format>] = [
            .value("keep", \.keep, .word),
            .value("luhn", \.luhn, .word),
            .value("lead", \.lead, .leadDigits),
            .value("reuse", \.reuse, .word),
            .value("ttl", \.ttl, ConfigurationType.duration(.seconds(1) ... .days(36500)).orNone()),
            .value("purposes", \.purposes, .purposes),
            .value("accept_luhn_invalid", \.acceptLuhnInvalid, .flag),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            if (keep == .bin6Last4 || keep == .bin8Last4) && decoder.positions["\(path).lead"] != nil {
                decoder.report("\(path).lead", "has no effect on a format that keeps the BIN; remove it")
            }
        }

        /// The digits of the card number a token keeps.
        package enum Keep: String, Sendable, CaseIterable {
            /// The last four.
            case last4
            /// The first six and the last four.
            case bin6Last4 = "bin6+last4"
            /// The first eight and the last four.
            case bin8Last4 = "bin8+last4"
            /// None.
            case none
        }

        /// Whether a token passes the card check digit.
        package enum Luhn: String, Sendable, CaseIterable {
            /// Never: a token cannot be a card.
            case invalid
            /// Always: for receivers that check.
            case valid
            /// Either.
            case any
        }

        /// Whether the same card and subject give the same token.
        package enum Reuse: String, Sendable, CaseIterable {
            /// They do.
            case always
            /// A new token each time.
            case never
        }

        /// What a token may be used for.
        package enum Purposes: Sendable, Equatable {
            /// Anything.
            case any
            /// The named purposes alone.
            case only([String])

            /// Whether `purpose` is one of them.
            package func contains(_ purpose: String) -> Bool {
                switch self {
                case .any: true
                case .only(let purposes): purposes.contains(purpose)
                }
            }
        }
    }
}

extension ConfigurationType<Configuration.Format.Purposes> {
    /// `any`, or a list of at least one name.
    static let purposes = ConfigurationType { node, path, decoder in
        let names = ConfigurationType<[String]>.list(of: .name)
        guard let purposes = names.parse(node, path, &decoder) else { return nil }
        guard case .list(let elements) = node.content else { return nil }
        if elements.isEmpty {
            decoder.report(path, "must be 'any' or name at least one purpose", at: node.position)
        }
        return .only(purposes)
    }.or("any", .any)
}

extension ConfigurationType<String> {
    /// One to six digits, the first not 0.
    static let leadDigits = scalar("1 to 6 digits, the first not 0") { text, _ throws(ValueRefused) in
        guard (1...6).contains(text.utf8.count), text.utf8.first != 0x30,
            text.utf8.allSatisfy(\.isDigit)
        else { throw ValueRefused() }
        return text
    }
}
