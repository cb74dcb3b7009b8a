import StrongroomClient

extension ControlEndpoint {
    /// Longest line of a streamed answer: a record of the audit log, and some.
    private static let lineBytesMax = 2 << 20

    /// Asks for an answer of lines, and hands each over as it arrives, without its newline. Throws what the vault refuses.
    func lines(
        _ method: StaticString, _ target: ControlTarget, sending sent: [UInt8] = [],
        body: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var partial: [UInt8] = []
        var last: [UInt8] = []
        let status = try connect().request(method, target, sending: sent.span) { (_, piece) throws(Failure) in
            for index in piece.indices {
                guard piece[index] == 0x0A else {
                    guard partial.count < Self.lineBytesMax else {
                        throw Failure(.unavailable, "the answer of the vault is too long")
                    }
                    partial.append(piece[index])
                    continue
                }
                // A refusal is one line of JSON too; which it is, only the status at the end tells.
                if !last.isEmpty { try body(last) }
                last = partial
                partial.removeAll(keepingCapacity: true)
            }
        }
        if let refusal = ControlRefusal(status: status, JSONValue(last)) { throw refusal.failure }
        if !last.isEmpty { try body(last) }
    }
}
