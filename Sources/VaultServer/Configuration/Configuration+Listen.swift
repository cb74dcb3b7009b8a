import Glibc

extension Configuration {
    /// The addresses the daemon listens on. At least one of `tcp` and `unix` is set.
    package struct Listen: ConfigurationSection {
        /// TLS 1.3 with client certificates.
        package var tcp: TCPAddress?
        /// The same protocol, TLS too, on a Unix socket.
        package var unix: Path?
        /// The operators' Unix socket; the caller is known by its Unix identity.
        package var control = Path(written: "/run/strongroom/control.sock", absolute: "/run/strongroom/control.sock")
        /// Plain HTTP for `/livez`, `/readyz` and `/metrics`; nil turns it off. Loopback unless `operationsPublic`.
        package var operations: TCPAddress? = .loopback(port: 9464)
        /// Lets `operations` listen beyond this machine. It carries no card data, but tells about load and health.
        package var operationsPublic = false

        package init() {}

        package static let fields: [ConfigurationField<Listen>] = [
            .value("tcp", \.tcp, ConfigurationType.tcpAddress.orNone(), reload: .restart),
            .value("unix", \.unix, ConfigurationType.path.orNone(), reload: .restart),
            .value("control", \.control, .path, reload: .restart),
            .value(
                "operations", \.operations, ConfigurationType.tcpAddress.orNone(), reload: .restart),
            .value("operations_public", \.operationsPublic, .flag),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            if tcp == nil && unix == nil {
                decoder.report(path, "must set 'tcp' or 'unix': clients have nowhere to connect")
            }
            if let operations, !operations.isLoopback, !operationsPublic {
                decoder.report(
                    "\(path).operations",
                    "must be a loopback address; set 'operations_public: true' beside it to open it to the network")
            }
            if let tcp, let operations, tcp.port != 0, tcp == operations {
                decoder.report("\(path).operations", "is the address of 'tcp'")
            }
            if let unix, unix.absolute == control.absolute {
                let written = decoder.positions["\(path).control"] != nil ? "control" : "unix"
                decoder.report("\(path).\(written)", "'unix' and 'control' are the same socket")
            }
        }
    }

    /// A numeric IP address and port.
    package struct TCPAddress: Sendable, Hashable, CustomStringConvertible {
        /// The address in canonical form, without brackets.
        package var host: String
        /// 0 to 65535; 0 lets the system choose a free one.
        package var port: Int
        /// Whether `host` is an IPv6 address.
        package var isIPv6: Bool
        /// Whether only this machine can reach it (127.0.0.0/8 or ::1).
        package var isLoopback: Bool

        /// `127.0.0.1:port`.
        package static func loopback(port: Int) -> Self {
            .init(host: "127.0.0.1", port: port, isIPv6: false, isLoopback: true)
        }

        /// As the configuration writes it: `127.0.0.1:8443` or `[::1]:8443`.
        package var description: String {
            isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

extension ConfigurationType<Configuration.TCPAddress> {
    /// `127.0.0.1:8443` or `[::1]:8443`: no names, since what a name means may change under a running daemon.
    static let tcpAddress = scalar("an address and port such as 127.0.0.1:8443 or [::1]:8443") {
        text, _ throws(ValueRefused) in
        guard let colon = text.lastIndex(of: ":") else { throw ValueRefused() }
        guard let port = decimal(text[text.index(after: colon)...]), port <= 65535 else {
            throw ValueRefused(message: "needs a port from 0 to 65535 after the last ':'")
        }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            var address = in6_addr()
            guard unsafe inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &address) == 1 else {
                throw ValueRefused(message: "'\(host)' is not an IPv6 address")
            }
            var canonical = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            guard unsafe inet_ntop(AF_INET6, &address, &canonical, socklen_t(canonical.count)) != nil else {
                throw ValueRefused()
            }
            let name = String(decoding: canonical.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return .init(host: name, port: port, isIPv6: true, isLoopback: name == "::1")
        }
        var address = in_addr()
        guard unsafe inet_pton(AF_INET, String(host), &address) == 1 else {
            let hint = host.contains(":") ? "write an IPv6 address in brackets, as in [::1]:8443" : nil
            throw ValueRefused(message: hint ?? "'\(host)' is not a numeric IP address")
        }
        let isLoopback = UInt32(bigEndian: address.s_addr) >> 24 == 127
        return .init(host: String(host), port: port, isIPv6: false, isLoopback: isLoopback)
    }
}
