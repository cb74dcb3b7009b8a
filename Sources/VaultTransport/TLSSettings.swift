package import NIOCore
package import OpenSSLTLS

/// Times and limits of a `TLSHandler`. The defaults are the product's; tests shorten them.
package struct TLSSettings: Sendable {
    /// From the connection to the end of its handshake.
    package var handshakeDeadline: TimeAmount = .seconds(10)

    /// How long a close may wait for the peer to take what was written before it.
    package var closeDeadline: TimeAmount = .seconds(5)

    /// How long a refused connection stays half open, so that its peer gets to read the alert: closing at once with
    /// bytes of the peer unread would make the kernel send a reset that overtakes it.
    package var refusalLinger: TimeAmount = .seconds(1)

    /// After the peer's close_notify: true fires `ChannelEvent.inputClosed` and leaves the other direction to the
    /// pipeline, which must close it; false closes the connection.
    package var allowsHalfClosure = false

    /// Plaintext bytes that may wait for the handshake.
    package var earlyBytesMax = 1 << 20

    /// Unflushed plaintext bytes from which on a write is encrypted and passed on without waiting for its flush, so
    /// that the channel's own accounting (`isWritable`) sees it.
    package var unflushedBytesMax = 64 * 1024

    /// Bytes of answers to protocol messages that may pile up while the peer reads nothing.
    package var unreadRepliesMax = 64 * 1024

    /// Records before we ask for new keys.
    package var recordsPerKey = TLSPolicy.recordsPerKey

    package init() {}
}

/// Fired as a user inbound event when the handshake has ended, before any data.
package struct TLSHandshakeCompleted: Sendable, Equatable {
    /// Who is at the other end. A server always knows: it does not talk to clients without a certificate.
    package let peer: PeerIdentity

    /// The cipher suite by its RFC name, as in `TLS_AES_256_GCM_SHA384`.
    package let cipherSuite: String
}
