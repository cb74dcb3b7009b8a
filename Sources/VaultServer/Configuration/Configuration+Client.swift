package import VaultCore

extension Configuration {
    /// One caller: a certificate, and what its holder may do. What is not named is refused.
    package struct Client: ConfigurationSection {
        /// The name in logs, metrics and the audit trail. Mandatory, one client each.
        package var name = ""
        /// The certificate that makes a caller this client. Mandatory, one client each.
        package var identity = Identity.dns("")
        /// The calls it may make. Mandatory.
        package var allow: [Operation] = []
        /// The formats it may use them on.
        package var formats: [String] = []
        /// What it may reveal card numbers for.
        package var purposes: [String] = []
        /// What `inspect` shows it of a card's digits.
        package var show = Shown.allCases
        /// Where it may call from; nil is anywhere.
        package var addresses: [AddressRange]?
        /// When it may call, in UTC; nil is always.
        package var hours: [DayHours]?
        /// Cards or tokens in one of its JSON requests; nil is what `limits` allows everybody.
        package var batch: Int?
        /// How much it may ask for.
        package var limits = ClientLimits()

        package init() {}

        package static let fields: [ConfigurationField<Client>] = [
            .value("name", \.name, .name, required: true),
            .oneOf("certificate", \.identity, Identity.alternatives, required: true),
            .value("allow", \.allow, .list(of: .word), required: true),
            .value("formats", \.formats, .list(of: .name)),
            .value("purposes", \.purposes, .list(of: .name)),
            .value("show", \.show, .list(of: .word)),
            .value("addresses", \.addresses, ConfigurationType.list(of: .addressRange).orNone()),
            .value("hours", \.hours, ConfigurationType.list(of: .dayHours).orNone()),
            .value("batch", \.batch, ConfigurationType.integer(1...10_000).orNone()),
            .section("limits", \.limits),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            if formats.isEmpty, let operation = allow.first(where: \.needsFormat) {
                decoder.report("\(path).allow", "allows '\(operation.rawValue)' but 'formats' names none")
            }
            if purposes.isEmpty, allow.contains(.detokenize) {
                decoder.report("\(path).allow", "allows 'detokenize' but 'purposes' names none")
            }
            for (name, isEmpty) in [("addresses", addresses?.isEmpty), ("hours", hours?.isEmpty)] where isEmpty == true
            {
                decoder.report("\(path).\(name)", "names none, so the client could never call; leave it out for any")
            }
            if limits.bounds.countsReveals, !allow.contains(.detokenize) {
                decoder.report("\(path).limits", "limits reveals, but 'allow' does not name 'detokenize'")
            }
        }

        /// The part of a certificate that says who its holder is. Never the common name.
        package enum Identity: Sendable, Hashable {
            /// A DNS name among the subject alternative names, lower case.
            case dns(String)
            /// A URI among the subject alternative names.
            case uri(String)
            /// The SHA-256 of the public key information (SPKI), 32 bytes.
            case spkiSHA256([UInt8])

            static let alternatives: [ConfigurationAlternative<Identity>] = [
                .value("dns", .dnsName) { .dns($0) },
                .value("uri", .uri) { .uri($0) },
                .value("spki_sha256", .sha256) { .spkiSHA256($0) },
            ]
        }

        /// Digits of a card that are no secret by themselves (PCI DSS 3.4.1). The whole number only `detokenize` gives.
        package enum Shown: String, Sendable, CaseIterable {
            /// The first six or eight digits.
            case bin
            /// The last four.
            case last4
        }

        /// A call a client may be allowed to make.
        package enum Operation: String, Sendable, CaseIterable {
            /// Store a card, get its token.
            case tokenize
            /// Reveal the card of a token, for a purpose.
            case detokenize
            /// Show what may be shown of a token.
            case inspect
            /// Ask whether a card is on file.
            case find
            /// Get the keyed hash of a card.
            case fingerprint
            /// Delete tokens.
            case forget
            /// Say what is held on a person.
            case subjectsReport = "subjects_report"
            /// Delete what is held on a person.
            case subjectsErase = "subjects_erase"
            /// Refuse a purpose for a person's tokens.
            case consentsWithdraw = "consents_withdraw"
            /// Allow a purpose for a person's tokens.
            case consentsGrant = "consents_grant"

            /// Whether the call works on tokens of a format, so that a client needs a format to make it.
            package var needsFormat: Bool {
                switch self {
                case .tokenize, .detokenize, .inspect, .find, .forget: true
                case .fingerprint, .subjectsReport, .subjectsErase, .consentsWithdraw, .consentsGrant: false
                }
            }
        }
    }
}

extension ConfigurationType<String> {
    /// A DNS name, in lower case; no wildcard, since a certificate names its holder.
    static let dnsName = scalar("a DNS name such as checkout.internal") { text, _ throws(ValueRefused) in
        guard (1...253).contains(text.utf8.count) else { throw ValueRefused() }
        if text.contains("*") { throw ValueRefused(message: "a client's name has no wildcard") }
        for label in text.split(separator: ".", omittingEmptySubsequences: false) {
            let allowed = label.utf8.allSatisfy { $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x5F }
            guard allowed, (1...63).contains(label.utf8.count), !label.hasPrefix("-"), !label.hasSuffix("-") else {
                throw ValueRefused()
            }
        }
        return text.lowercased()
    }

    /// A URI: a scheme, a colon, and printable ASCII without spaces; compared byte by byte.
    static let uri = scalar("a URI such as spiffe://example.org/billing") { text, _ throws(ValueRefused) in
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, text.utf8.count <= 2048,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let first = parts[0].utf8.first, first.isLetterOrDigit, !first.isDigit,
            parts[0].utf8.allSatisfy({ $0.isLetterOrDigit || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E })
        else { throw ValueRefused() }
        return text
    }
}

extension ConfigurationType<[UInt8]> {
    /// A SHA-256 in 64 hexadecimal digits.
    static let sha256 = scalar("a SHA-256 in 64 hexadecimal digits") { text, _ throws(ValueRefused) in
        let digits = text.unicodeScalars.compactMap { $0.isASCII ? Character($0).hexDigitValue : nil }
        guard digits.count == 64, text.unicodeScalars.count == 64 else { throw ValueRefused() }
        return (0..<32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }
}

extension ConfigurationType<AddressRange> {
    /// Where callers are: a network, an address, or the Unix socket.
    static let addressRange = scalar("an address, a network such as 10.0.0.0/8, or unix") {
        text, _ throws(ValueRefused) in
        do throws(AddressRange.Problem) {
            return try AddressRange(text)
        } catch {
            throw ValueRefused(message: error == .beyondPrefix ? "'\(text)' has bits beyond its prefix" : nil)
        }
    }
}

extension ConfigurationType<DayHours> {
    static let dayHours = scalar("hours in UTC such as \"06:00-22:00\" or \"22:00-06:00\"") {
        text, _ throws(ValueRefused) in
        guard let hours = DayHours(text) else { throw ValueRefused() }
        return hours
    }
}
