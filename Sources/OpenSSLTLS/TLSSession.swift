import COpenSSL
import Glibc

/// One TLS connection without a socket: ciphertext in and out, plaintext in and out, all in memory the caller lends.
/// The corresponding C type is `SSL`.
///
/// Life: `handshake` until it returns true, then `decrypt` and `encrypt` in any order, then `close`. After each of them
/// `pendingBytes` of ciphertext may wait for `drain`. After an error only `drain` (the alert) makes sense.
/// One thread at a time.
///
/// `@safe`: both pointers are owned from `init` to `deinit`; lent spans are borrowed by the port only within one call.
@safe
package struct TLSSession: ~Copyable {
    /// What `decrypt` stopped for.
    package enum ReadOutcome: Sendable {
        /// All ciphertext was taken, and the rest of a record is missing.
        case needsCiphertext
        /// The plaintext's room is used up; there may be more.
        case needsRoom
        /// The peer sent close_notify: what came before is complete, and nothing follows.
        case peerClosed
    }

    /// Who the peer is, once the handshake ended.
    package private(set) var peer: PeerIdentity?

    /// Key updates we asked for so far.
    package private(set) var keyUpdates = 0

    private let ssl: OpaquePointer
    private let port: UnsafeMutablePointer<CiphertextPort>
    private let recordsPerKey: UInt64
    private var recordsOnKey: UInt64 = 0
    private var heldBytes = 0

    /// - Parameters:
    ///   - context: settles the role; libssl keeps what it needs of it alive.
    ///   - serverName: for a client, the DNS name or the address the server's certificate must carry. Required there,
    ///     since a connection to nobody in particular is no protection. A DNS name is also sent as SNI. Ignored for a
    ///     server.
    ///   - recordsPerKey: records in both directions before we ask for new keys.
    package init(
        _ context: TLSContext, serverName: String? = nil, recordsPerKey: UInt64 = TLSPolicy.recordsPerKey
    ) throws(TLSError) {
        let port = UnsafeMutablePointer<CiphertextPort>.allocate(capacity: 1)
        unsafe port.initialize(to: CiphertextPort())
        do throws(TLSError) {
            unsafe ssl = try Self.makeSSL(context, over: port, serverName: serverName)
        } catch {
            unsafe port.deallocate()
            throw error
        }
        unsafe self.port = unsafe port
        self.recordsPerKey = recordsPerKey
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe port.pointee.freeSpill()
        unsafe port.deinitialize(count: 1)
        unsafe port.deallocate()
    }

    private static func makeSSL(
        _ context: TLSContext, over port: UnsafeMutablePointer<CiphertextPort>, serverName: String?
    ) throws(TLSError) -> OpaquePointer {
        ERR_clear_error()
        guard let ssl = unsafe SSL_new(context.context) else { throw .takingQueue(verifyResult: 0) }
        do throws(TLSError) {
            guard let bio = unsafe CiphertextPort.makeBIO(over: port) else { throw .takingQueue(verifyResult: 0) }
            // One BIO in both directions takes one reference, which SSL_free gives back.
            unsafe SSL_set_bio(ssl, bio, bio)
            switch context.role {
            case .server: unsafe SSL_set_accept_state(ssl)
            case .client:
                guard let serverName else { preconditionFailure("a TLS client must know whom it calls") }
                try unsafe expect(serverName, on: ssl)
                unsafe SSL_set_connect_state(ssl)
            }
            return unsafe ssl
        } catch {
            unsafe SSL_free(ssl)
            throw error
        }
    }

    /// The server's certificate must carry `name`, as a DNS name or as an address; the common name does not count.
    /// The corresponding C functions are `X509_VERIFY_PARAM_set1_ip_asc`, `SSL_set1_host`, `SSL_set_tlsext_host_name`.
    private static func expect(_ name: String, on ssl: OpaquePointer) throws(TLSError) {
        guard !name.isEmpty, !name.utf8.contains(0) else { throw .library("an unusable server name") }
        defer { ERR_clear_error() }
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 { return }
        ERR_clear_error()
        unsafe SSL_set_hostflags(
            ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        guard unsafe SSL_set1_host(ssl, name) == 1, unsafe strongroom_SSL_set_tlsext_host_name(ssl, name) == 1 else {
            throw .takingQueue(verifyResult: 0)
        }
    }
}

// MARK: - Handshake

extension TLSSession {
    /// The cipher suite agreed on, by its RFC name.
    package var cipherSuite: String {
        guard let cipher = unsafe SSL_get_current_cipher(ssl) else { return "none" }
        return unsafe String(cString: SSL_CIPHER_get_name(cipher))
    }

    /// Goes as far as `ciphertext` carries and returns whether the handshake ended; `consumed` says how much was taken,
    /// the rest is for `decrypt`. A client starts with an empty span. The corresponding C function is
    /// `SSL_do_handshake`.
    ///
    /// A client in TLS 1.3 ends its handshake before the server has judged its certificate: a refusal arrives as an
    /// alert in `decrypt`.
    package mutating func handshake(_ ciphertext: Span<UInt8>, consumed: inout Int) throws(TLSError) -> Bool {
        ERR_clear_error()
        let result = unsafe lending(ciphertext, to: port, consumed: &consumed) { unsafe SSL_do_handshake(ssl) }
        if result == 1 {
            peer = verifiedPeer()
            heldBytes = 0
            return true
        }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return false
        default: throw failure()
        }
    }

    private func verifiedPeer() -> PeerIdentity? {
        guard let stack = unsafe SSL_get0_verified_chain(ssl) else { return nil }
        var chain: [Certificate] = []
        let count = unsafe strongroom_sk_X509_num(stack)
        for index in 0..<count {
            guard let x509 = unsafe strongroom_sk_X509_value(stack, index), unsafe X509_up_ref(x509) == 1 else {
                return nil
            }
            chain.append(unsafe Certificate(adopting: x509))
        }
        return chain.isEmpty ? nil : PeerIdentity(chain: chain)
    }

    private func failure() -> TLSError { unsafe .takingQueue(verifyResult: SSL_get_verify_result(ssl)) }
}

// MARK: - Data

extension TLSSession {
    /// Room that holds whatever plaintext `decrypt` can make of this many more bytes of ciphertext: never more than
    /// those and the unfinished record that libssl already holds.
    package func plaintextRoom(forCiphertext bytes: Int) -> Int { bytes + heldBytes }

    /// Decrypts into `plaintext` until ciphertext or room runs out; `consumed` says how much ciphertext was taken.
    /// After `needsRoom` call again with the rest, which may be empty. What an error finds in `plaintext` is to be
    /// dropped. The corresponding C function is `SSL_read_ex`.
    package mutating func decrypt(
        _ ciphertext: Span<UInt8>, consumed: inout Int, into plaintext: inout OutputRawSpan
    ) throws(TLSError) -> ReadOutcome {
        var outcome = ReadOutcome.needsRoom
        var problem: TLSError?
        unsafe lending(ciphertext, to: port, consumed: &consumed) {
            unsafe plaintext.withUnsafeMutableBytes { room, used in
                while used < room.count {
                    ERR_clear_error()
                    var got = 0
                    let before = unsafe port.pointee.inputBytes
                    let result = unsafe SSL_read_ex(ssl, room.baseAddress?.advanced(by: used), room.count - used, &got)
                    heldBytes += unsafe before - port.pointee.inputBytes
                    if result == 1 {
                        used += got
                        // libssl reads no further than the record it is at.
                        if unsafe SSL_pending(ssl) == 0 {
                            heldBytes = 0
                            recordsOnKey += 1
                        }
                        continue
                    }
                    switch unsafe SSL_get_error(ssl, result) {
                    case SSL_ERROR_WANT_READ: outcome = .needsCiphertext
                    case SSL_ERROR_ZERO_RETURN: outcome = .peerClosed
                    default: problem = failure()
                    }
                    heldBytes = min(heldBytes, TLSPolicy.recordBytesMax)
                    break
                }
            }
        }
        if let problem { throw problem }
        return outcome
    }

    /// Room that holds the ciphertext of so many bytes given to one `encrypt`, a key update included.
    package static func ciphertextRoom(forPlaintext bytes: Int) -> Int {
        let records = (bytes + TLSPolicy.recordPlaintextBytes - 1) / TLSPolicy.recordPlaintextBytes
        return bytes + records * TLSPolicy.recordOverheadBytes + 64
    }

    /// Encrypts all of `plaintext` into records of 16 KiB and a last smaller one. What does not fit into `ciphertext`
    /// waits for `drain`, so lend `ciphertextRoom`. The corresponding C function is `SSL_write_ex`.
    package mutating func encrypt(_ plaintext: Span<UInt8>, into ciphertext: inout OutputRawSpan) throws(TLSError) {
        guard !plaintext.isEmpty else { return }
        drain(into: &ciphertext)
        if recordsOnKey >= recordsPerKey { try askForNewKeys() }
        recordsOnKey += UInt64((plaintext.count - 1) / TLSPolicy.recordPlaintextBytes + 1)

        ERR_clear_error()
        var written = 0
        let result = unsafe ciphertext.withUnsafeMutableBytes { room, used in
            unsafe port.pointee.output = room.baseAddress?.advanced(by: used).assumingMemoryBound(to: UInt8.self)
            unsafe port.pointee.outputRoom = room.count - used
            let result = unsafe plaintext.withUnsafeBufferPointer { source in
                unsafe SSL_write_ex(ssl, source.baseAddress, source.count, &written)
            }
            used += unsafe port.pointee.outputBytes
            unsafe port.pointee.output = nil
            unsafe port.pointee.outputRoom = 0
            unsafe port.pointee.outputBytes = 0
            return result
        }
        // The port never makes libssl wait, so a write is whole or the connection is broken.
        guard result == 1, written == plaintext.count else { throw failure() }
    }

    /// New keys for both directions, with the next record. The corresponding C function is `SSL_key_update`.
    private mutating func askForNewKeys() throws(TLSError) {
        ERR_clear_error()
        guard unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 else { throw failure() }
        recordsOnKey = 0
        keyUpdates += 1
    }
}

// MARK: - Leftovers and the end

extension TLSSession {
    /// Ciphertext that waits for `drain`.
    package var pendingBytes: Int { unsafe port.pointee.spillBytes }

    /// Moves waiting ciphertext (handshake messages, alerts, answers to key updates) to the caller, as much as fits.
    package mutating func drain(into ciphertext: inout OutputRawSpan) {
        guard pendingBytes > 0 else { return }
        unsafe ciphertext.withUnsafeMutableBytes { room, used in
            guard let start = room.baseAddress else { return }
            used += unsafe port.pointee.drain(into: start + used, room: room.count - used)
        }
    }

    /// Says that we send no more; we can still receive. Leaves a close_notify for `drain`. Does nothing before the
    /// handshake ended or after an error. The corresponding C function is `SSL_shutdown`.
    package mutating func close() {
        guard unsafe SSL_is_init_finished(ssl) == 1, unsafe SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0 else {
            return
        }
        ERR_clear_error()
        unsafe SSL_shutdown(ssl)
        ERR_clear_error()
    }
}

/// Runs `body` with `ciphertext` lent to `port`, and adds what libssl took of it to `consumed`.
private func lending<R>(
    _ ciphertext: Span<UInt8>, to port: UnsafeMutablePointer<CiphertextPort>, consumed: inout Int, _ body: () -> R
) -> R {
    unsafe ciphertext.withUnsafeBufferPointer { bytes in
        unsafe port.pointee.input = bytes.baseAddress
        unsafe port.pointee.inputBytes = bytes.count
        defer {
            consumed += unsafe bytes.count - port.pointee.inputBytes
            unsafe port.pointee.input = nil
            unsafe port.pointee.inputBytes = 0
        }
        return body()
    }
}
