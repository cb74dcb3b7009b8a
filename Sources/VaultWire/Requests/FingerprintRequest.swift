/// A decoded `/v1/fingerprint`: a card.
package struct FingerprintRequest: Sendable {
    /// The text of the card number, not yet checked in any way.
    package private(set) var pan = ByteRange(offset: 0, count: 0)

    /// Decodes a body, unescaping its strings in place; throws `.malformed` or `.sensitiveAuthenticationData`.
    package init(decoding bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                guard field == .pan else { throw .json(.shape) }
                pan = try reader.requestString()
            }
            guard seen.contains(.pan) else { throw .json(.shape) }
        }
    }
}
