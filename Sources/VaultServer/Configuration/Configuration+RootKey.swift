extension Configuration {
    /// Where the key that wraps all other keys comes from. It is never stored with what it wraps.
    package enum RootKey: Sendable, Equatable {
        /// A file of the daemon's user alone.
        case file(Path)
        /// A systemd credential of that name.
        case credential(String)
        /// Shares that custodians enter.
        case shares(Shares)
        /// A key that never leaves its token.
        case pkcs11(Token)

        static let alternatives: [ConfigurationAlternative<RootKey>] = [
            .value("file", .path) { .file($0) },
            .value("credential", .credentialName) { .credential($0) },
            .section("shares", Shares.self) { .shares($0) },
            .section("pkcs11", Token.self) { .pkcs11($0) },
        ]
    }

    /// A root key split so that `threshold` of `count` custodians can put it together.
    package struct Shares: ConfigurationSection {
        /// How many shares are needed: 2 to `count`. Mandatory.
        package var threshold = 0
        /// How many shares there are: 2 to 255. Mandatory.
        package var count = 0

        package init() {}

        package static let fields: [ConfigurationField<Shares>] = [
            .value("threshold", \.threshold, .integer(2...255), required: true, reload: .restart),
            .value("count", \.count, .integer(2...255), required: true, reload: .restart),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            if threshold > count {
                decoder.report("\(path).threshold", "is \(threshold), more than the \(count) shares there are")
            }
        }
    }
}

extension Configuration {
    /// A root key wrapped by a key inside a PKCS#11 token.
    package struct Token: ConfigurationSection {
        /// The vendor's module, a shared library. Mandatory.
        package var module = Path.unset
        /// The label of the token. Mandatory.
        package var token = ""
        /// The label of the AES-256 key in it. Mandatory.
        package var key = ""
        /// A file with the user PIN, of the daemon's user alone. Mandatory.
        package var pinFile = Path.unset

        package init() {}

        package static let fields: [ConfigurationField<Token>] = [
            .value("module", \.module, .path, required: true),
            .value("token", \.token, .text(bytesMax: 32), required: true),
            .value("key", \.key, .text(bytesMax: 64), required: true),
            .value("pin_file", \.pinFile, .path, required: true),
        ]
    }
}

extension ConfigurationType<String> {
    /// The name of a systemd credential: a file name of letters, digits, `.`, `_` and `-`.
    static let credentialName = scalar("the name of a systemd credential (letters, digits, '.', '_' and '-')") {
        text, _ throws(ValueRefused) in
        let allowed = text.utf8.allSatisfy { $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F }
        guard allowed, (1...255).contains(text.utf8.count), !text.hasPrefix(".") else { throw ValueRefused() }
        return text
    }
}
