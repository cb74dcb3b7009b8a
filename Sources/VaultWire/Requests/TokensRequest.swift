/// A decoded `/v1/inspect` or `/v1/forget`, which name tokens and nothing else: one, or up to 10,000.
///
/// Reused like `TokenizeRequest`; the ranges are into the buffer decoded last.
package struct TokensRequest: Sendable {
    /// Which tokens it is about.
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
                try list.value(of: field, &reader)
            }
            guard !list.tokens.isEmpty else { throw .json(.shape) }
        }
    }
}
