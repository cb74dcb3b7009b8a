package import OpenSSLTLS
package import VaultCore

/// What a configuration lets callers do, worked out for quick looking up. Immutable: a reload makes a new one, and every
/// connection asks the new one from its next request on.
package final class Policy: Sendable {
    /// One configured client.
    package struct Client: Sendable {
        package let name: String
        package let operations: Operations
        /// Bit n: may use format id n.
        package let formats: UInt64
        /// Bit n: may name purpose n.
        package let purposes: UInt64
        /// What `inspect` shows of a card's digits.
        package let shown: ShownDigits
        /// Where it may call from; nil is anywhere.
        package let addresses: [AddressRange]?
        /// When it may call; nil is always.
        package let hours: [DayHours]?
        /// Cards or tokens in one JSON request; nil is what everybody may.
        package let batchMax: Int?
        package let `guard`: ClientGuard

        /// Whether it may call from here, now.
        package func mayCall(from caller: CallerAddress, now: UInt32) -> Bool {
            if let addresses, !addresses.contains(where: { $0.contains(caller) }) { return false }
            return mayCall(now: now)
        }

        package func mayCall(now: UInt32) -> Bool {
            guard let hours else { return true }
            return hours.contains { $0.contains(now) }
        }
    }

    package let formats: FormatTable
    /// Numbers of the names that requests use.
    package let registry: Registry
    package let defaultFormat: UInt16?
    private let byDNS: [String: Client]
    private let byURI: [String: Client]
    private let bySPKI: [[UInt8]: Client]

    package init(_ configuration: Configuration, registry: Registry, guards: GuardBook) throws(TokenFormatError) {
        self.registry = registry
        formats = FormatTable(try Self.formats(of: configuration, registry: registry))
        defaultFormat = configuration.defaultFormat.flatMap { registry.formatID($0) }
        var byDNS: [String: Client] = [:]
        var byURI: [String: Client] = [:]
        var bySPKI: [[UInt8]: Client] = [:]
        for entry in configuration.clients {
            let client = Client(
                name: entry.name, operations: Operations(entry.allow),
                formats: entry.formats.reduce(0) { $0 | (registry.formatID($1).map { 1 << UInt64($0) } ?? 0) },
                purposes: entry.purposes.reduce(0) { $0 | (registry.purposeMask($1) ?? 0) },
                shown: ShownDigits(entry.show), addresses: entry.addresses, hours: entry.hours, batchMax: entry.batch,
                guard: guards.client(entry.name))
            switch entry.identity {
            case .dns(let name): byDNS[name] = client
            case .uri(let uri): byURI[uri] = client
            case .spkiSHA256(let hash): bySPKI[hash] = client
            }
        }
        self.byDNS = byDNS
        self.byURI = byURI
        self.bySPKI = bySPKI
    }

    /// The client of a certificate; `nil` for one that the configuration does not name, and for one that answers to two
    /// names of it: which rights would hold must never be a matter of order.
    package func client(for peer: PeerIdentity) -> Client? {
        if let client = bySPKI[peer.publicKeySHA256] { return client }
        let matches = peer.dnsNames.compactMap { byDNS[$0] } + peer.uris.compactMap { byURI[$0] }
        guard let first = matches.first, matches.allSatisfy({ $0.name == first.name }) else { return nil }
        return first
    }

    /// The formats of a configuration under their ids in the database.
    package static func formats(
        of configuration: Configuration, registry: Registry
    ) throws(TokenFormatError) -> [(format: TokenFormat, purposes: UInt64)] {
        var entries: [(format: TokenFormat, purposes: UInt64)] = []
        for entry in configuration.formats {
            let format = try tokenFormat(entry, id: registry.formatID(entry.name) ?? 0)
            entries.append((format, purposes(of: entry, registry: registry)))
        }
        return entries
    }

    private static func purposes(of format: Configuration.Format, registry: Registry) -> UInt64 {
        switch format.purposes {
        case .any: .max
        case .only(let names): names.reduce(0) { $0 | (registry.purposeMask($1) ?? 0) }
        }
    }

    /// A configured format as the domain knows it; throws what is wrong with it.
    package static func tokenFormat(_ entry: Configuration.Format, id: UInt16) throws(TokenFormatError) -> TokenFormat {
        let purposes: [String] =
            switch entry.purposes {
            case .any: []
            case .only(let names): names
            }
        let keep = TokenFormat.Keep(rawValue: entry.keep.rawValue) ?? .last4
        return try TokenFormat(
            name: entry.name, id: id, keep: keep,
            luhn: TokenFormat.LuhnRule(rawValue: entry.luhn.rawValue) ?? .invalid,
            lead: keep.binDigits > 0 ? nil : entry.lead,
            reuse: TokenFormat.Reuse(rawValue: entry.reuse.rawValue) ?? .always,
            ttlSeconds: entry.ttl.map { UInt32(clamping: $0.components.seconds) }, purposes: purposes,
            acceptLuhnInvalid: entry.acceptLuhnInvalid)
    }

    /// Every purpose a configuration names, on a format or a client.
    package static func purposes(of configuration: Configuration) -> [String] {
        var names: Set<String> = []
        for format in configuration.formats {
            if case .only(let purposes) = format.purposes { names.formUnion(purposes) }
        }
        for client in configuration.clients { names.formUnion(client.purposes) }
        return names.sorted()
    }
}

/// Digits of a card that a client is shown, as a set of bits.
package struct ShownDigits: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let bin = ShownDigits(rawValue: 1)
    package static let last4 = ShownDigits(rawValue: 2)
    package static let all: ShownDigits = [.bin, .last4]

    init(_ shown: [Configuration.Client.Shown]) {
        self = []
        for digits in shown {
            switch digits {
            case .bin: insert(.bin)
            case .last4: insert(.last4)
            }
        }
    }
}

/// Calls as a set of bits.
package struct Operations: OptionSet, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let tokenize = Operations(rawValue: 1)
    package static let detokenize = Operations(rawValue: 2)
    package static let inspect = Operations(rawValue: 4)
    package static let find = Operations(rawValue: 8)
    package static let fingerprint = Operations(rawValue: 16)
    package static let forget = Operations(rawValue: 32)

    init(_ allowed: [Configuration.Client.Operation]) {
        self = []
        for operation in allowed {
            switch operation {
            case .tokenize: insert(.tokenize)
            case .detokenize: insert(.detokenize)
            case .inspect: insert(.inspect)
            case .find: insert(.find)
            case .fingerprint: insert(.fingerprint)
            case .forget: insert(.forget)
            default: break
            }
        }
    }
}
