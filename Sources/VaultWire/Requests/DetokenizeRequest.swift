/// A decoded `/v1/detokenize`: a purpose, and one token or up to 10,000.
///
/// Reused like `TokenizeRequest`; the ranges are into the buffer decoded last.
package struct DetokenizeRequest: Sendable {
    /// What the cards are needed for, a well-formed name; always there after a successful decode.
    package private(set) var purpose = ByteRange(offset: 0, count: 0)
    /// Which tokens to reveal.
    package private(set) var list = TokenList()

    /// Makes an empty request.
    package init() {}

    /// Decodes a body, unescaping its strings in place.
    ///
    /// Throws `.malformed`, `.tooLarge` (more than 10,000 tokens) or `.sensitiveAuthenticationData`.
    package mutating func decode(_ bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        list.reset()
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                if field == .purpose {
                    purpose = try reader.requestName()
                } else {
                    try list.value(of: field, &reader)
                }
            }
            guard seen.contains(.purpose), !list.tokens.isEmpty else { throw .json(.shape) }
        }
    }
}
