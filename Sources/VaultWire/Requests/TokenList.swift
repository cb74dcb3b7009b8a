/// The `token` or `tokens` of a request. Part of every request that names tokens; reused with it.
package struct TokenList: Sendable {
    /// Whether the request had `tokens`, so that the answer has `results`.
    package private(set) var isBatch = false
    /// The texts of the tokens in order, not yet checked in any way: 1 to 10,000, exactly one unless `isBatch`.
    package private(set) var tokens: [ByteRange] = []

    /// Makes an empty list with room for one token.
    init() { tokens.reserveCapacity(1) }

    mutating func reset() {
        isBatch = false
        tokens.removeAll(keepingCapacity: true)
    }

    /// Reads `token` or `tokens`; faults on any other field and when both are there.
    mutating func value(of field: FieldName, _ reader: inout JSONReader) throws(RequestFault) {
        guard tokens.isEmpty else { throw .json(.shape) }
        switch field {
        case .token:
            tokens.append(try reader.requestString())
        case .tokens:
            isBatch = true
            try reader.requestArray(max: Limits.tokensPerRequestMax) { (reader) throws(RequestFault) in
                tokens.append(try reader.requestString())
            }
        default:
            throw .json(.shape)
        }
    }
}
