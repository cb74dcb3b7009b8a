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
        let (_, refusal) = try stream(method, target, sending: sent) { (piece) throws(Failure) in
            for index in piece.indices {
                guard piece[index] == 0x0A else {
                    guard partial.count < Self.lineBytesMax else {
                        throw Failure(.unavailable, "the answer of the vault is too long")
                    }
                    partial.append(piece[index])
                    continue
                }
                try body(partial)
                partial.removeAll(keepingCapacity: true)
            }
        }
        if let refusal { throw refusal.failure }
    }
}
