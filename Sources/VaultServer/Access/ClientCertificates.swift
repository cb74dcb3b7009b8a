internal import OpenSSLTLS
internal import Synchronization

/// The certificate that each client showed last, since the daemon started: whose must be renewed, is seen before a
/// connection fails. Any thread.
final class ClientCertificates: Sendable {
    struct Seen: Sendable {
        let serial: String
        /// Seconds since 1970.
        let notAfter: Int64
        let publicKeySHA256: [UInt8]
        /// When, in Unix seconds.
        let time: UInt64
    }

    private let clients = Mutex<[String: Seen]>([:])

    /// Once a connection, not once a request.
    func note(_ client: String, _ identity: PeerIdentity) {
        let seen = Seen(
            serial: identity.serial, notAfter: identity.notAfter, publicKeySHA256: identity.publicKeySHA256,
            time: UInt64(WallClock.seconds))
        clients.withLock { $0[client] = seen }
    }

    subscript(client: String) -> Seen? { clients.withLock { $0[client] } }

    var all: [String: Seen] { clients.withLock { $0 } }

    /// Forgets clients that the configuration names no more.
    func keep(_ names: some Sequence<String>) {
        let names = Set(names)
        clients.withLock { $0 = $0.filter { names.contains($0.key) } }
    }
}
