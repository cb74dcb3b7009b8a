import StrongroomClient

/// A whole answer of the control socket. Shares may be in it, so its bytes are wiped with it.
struct ControlAnswer: ~Copyable {
    /// The HTTP status.
    let status: Int
    let body: SecureBuffer

    /// Bytes of an answer that is taken whole.
    static let bytesMax = 16 << 20

    /// Whether the body is a sheet of shares, and no JSON.
    var isShareSheet: Bool {
        let bytes = body.span
        guard status == 200, let first = bytes.isEmpty ? nil : bytes[0] else { return false }
        return first != 0x7B && first != 0x5B
    }

    /// The JSON in it, as one line and as a tree; throws what the vault refuses. Not for a sheet of shares.
    borrowing func json() throws(Failure) -> (text: String, value: JSONValue) {
        let bytes = body.span
        var copy: [UInt8] = []
        copy.reserveCapacity(bytes.count)
        for index in bytes.indices { copy.append(bytes[index]) }
        while copy.last == 0x0A { copy.removeLast() }
        guard let value = JSONValue(copy) else {
            throw Failure(.unavailable, "what answers at the control socket is no vault")
        }
        if let refusal = ControlRefusal(status: status, value) { throw refusal.failure }
        return (String(decoding: copy, as: UTF8.self), value)
    }

    /// The body alone.
    consuming func takeBody() -> SecureBuffer { body }

    /// What the vault refused; nil where it did not.
    var refusal: ControlRefusal? {
        let bytes = body.span
        guard status != 200, status != 202 else { return nil }
        var copy: [UInt8] = []
        for index in bytes.indices { copy.append(bytes[index]) }
        return ControlRefusal(status: status, JSONValue(copy))
    }
}
