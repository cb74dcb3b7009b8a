extension StrongroomClient {
    /// Where the vault is, who we are, and how long we wait.
    public struct Configuration: Sendable {
        /// Where the vault listens.
        public var endpoint: Endpoint
        /// The name or address that the vault's certificate must carry. Nil takes the host, or `localhost` for a
        /// socket.
        public var serverName: String?
        /// Our certificate and its intermediates, a PEM file.
        public var certificate: String
        /// Its private key, a PEM file that only its owner may read.
        public var key: String
        /// The authorities that may vouch for the vault, a PEM file. The system's own are never trusted.
        public var authorities: String

        /// Connections open at a time, at most.
        public var connectionsMax = 8
        /// Calls that may wait for a connection; one more fails at once.
        public var waitersMax = 1024
        /// How long a call waits for a connection to become free.
        public var waitDeadline: Duration = .seconds(30)
        /// How long one attempt to connect may take, TLS handshake included.
        public var connectDeadline: Duration = .seconds(5)
        /// Attempts to connect before a call fails. Nothing but connecting is ever tried again.
        public var connectAttempts = 3
        /// From sending a request to the end of its answer; bulk streams have no such limit.
        public var requestDeadline: Duration = .seconds(30)
        /// How long an unused connection is kept.
        public var idleLife: Duration = .seconds(30)

        /// Takes what has no default.
        public init(endpoint: Endpoint, certificate: String, key: String, authorities: String) {
            self.endpoint = endpoint
            self.certificate = certificate
            self.key = key
            self.authorities = authorities
        }

        var effectiveServerName: String {
            if let serverName { return serverName }
            return switch endpoint.kind {
            case .tcp(let host, _): host
            case .unix: "localhost"
            }
        }
    }

    /// An address of a vault.
    public struct Endpoint: Sendable, Hashable {
        enum Kind: Hashable {
            case tcp(host: String, port: Int)
            case unix(path: String)
        }

        let kind: Kind

        /// A host name or address, and a port.
        public static func tcp(host: String, port: Int) -> Endpoint { Endpoint(kind: .tcp(host: host, port: port)) }

        /// A Unix socket; TLS is spoken there too.
        public static func unix(path: String) -> Endpoint { Endpoint(kind: .unix(path: path)) }

        private init(kind: Kind) { self.kind = kind }

        /// Reads `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`; nil for anything else.
        public init?(_ text: String) {
            if text.hasPrefix("unix:") {
                let path = String(text.dropFirst(5))
                guard !path.isEmpty else { return nil }
                kind = .unix(path: path)
                return
            }
            guard let colon = text.lastIndex(of: ":") else { return nil }
            let digits = text[text.index(after: colon)...].utf8
            guard (1...5).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            let port = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            guard (1...65_535).contains(port) else { return nil }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            guard !host.isEmpty else { return nil }
            kind = .tcp(host: String(host), port: port)
        }
    }
}

extension StrongroomClient.Endpoint: CustomStringConvertible {
    /// As `init(_:)` reads it.
    public var description: String {
        switch kind {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
