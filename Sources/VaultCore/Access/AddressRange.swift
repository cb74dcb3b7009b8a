internal import Glibc

/// Addresses that a client may call from: an IP network, one address, or the Unix socket.
package enum AddressRange: Hashable, Sendable {
    /// Callers on the Unix socket.
    case unix
    /// The first `prefix` of the 128 bits of `address`, an IPv6 address or an IPv4 one mapped into IPv6 (`::ffff:a.b.c.d`).
    case network(address: IPAddress, prefix: UInt8)

    /// Why a text names no range.
    package enum Problem: Error, Equatable {
        case syntax
        /// More bits are set than the prefix covers.
        case beyondPrefix
    }

    /// Reads `unix`, an address, or a network such as `10.0.0.0/8` or `2001:db8::/32`.
    package init(_ text: String) throws(Problem) {
        if text == "unix" {
            self = .unix
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { throw .syntax }
        // A mapped address is written as what it is, so that a prefix means what it seems to.
        guard !(parts[0].contains(":") && address.isIPv4) else { throw .syntax }
        let size = address.isIPv4 ? 32 : 128
        var bits = size
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
                digits.count == 1 || digits.first != 0x30, let number = Int(parts[1]), number <= size
            else { throw .syntax }
            bits = number
        }
        let prefix = UInt8(bits + 128 - size)
        guard address.masked(to: prefix) == address else { throw .beyondPrefix }
        self = .network(address: address, prefix: prefix)
    }

    /// Whether a caller is in it.
    package func contains(_ caller: CallerAddress) -> Bool {
        switch (self, caller) {
        case (.unix, .unix): true
        case (.network(let network, let prefix), .network(let address)): address.masked(to: prefix) == network
        default: false
        }
    }

    package var text: String {
        switch self {
        case .unix: "unix"
        case .network(let address, let prefix):
            address.isIPv4
                ? (prefix == 128 ? address.text : "\(address.text)/\(prefix - 96)")
                : (prefix == 128 ? address.text : "\(address.text)/\(prefix)")
        }
    }
}

/// Where a caller is.
package enum CallerAddress: Equatable, Sendable {
    case unix
    case network(IPAddress)
    /// It could not be told: in no range.
    case unknown
}

/// An IP address; an IPv4 one is held as the IPv6 address that it is mapped to, as a dual-stack socket shows it.
package struct IPAddress: Hashable, Sendable {
    /// The first and the last eight bytes.
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From four or sixteen bytes in network order.
    package init?(bytes: [UInt8]) {
        switch bytes.count {
        case 4: self.init(high: 0, low: 0xFFFF << 32 | bytes.reduce(0) { $0 << 8 | UInt64($1) })
        case 16:
            self.init(
                high: bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// From numeric text. The corresponding C function is `inet_pton`.
    package init?(_ text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        // `inet_pton` writes four or sixteen bytes.
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 {
            self.init(bytes: Array(bytes[0..<4]))
        } else if unsafe inet_pton(AF_INET6, text, &bytes) == 1 {
            self.init(bytes: bytes)
        } else {
            return nil
        }
    }

    /// Whether it is an IPv4 address mapped into IPv6.
    package var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The canonical text. The corresponding C function is `inet_ntop`.
    package var text: String {
        if isIPv4 { return (0..<4).map { String(low >> (24 - 8 * UInt64($0)) & 0xFF) }.joined(separator: ".") }
        var bytes: [UInt8] = []
        bytes.append(bigEndian: high)
        bytes.append(bigEndian: low)
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard unsafe inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func masked(to prefix: UInt8) -> IPAddress {
        let highBits = min(64, UInt64(prefix))
        let lowBits = UInt64(prefix) - highBits
        return IPAddress(
            high: highBits == 0 ? 0 : high & (.max << (64 - highBits)),
            low: lowBits == 0 ? 0 : low & (.max << (64 - lowBits)))
    }
}
