/// A decoded `/v1/find`: a card, the format it would have been tokenized in, and whose it is.
package struct FindRequest: Sendable {
    /// The format, a well-formed name; it has no default here.
    package private(set) var format = ByteRange(offset: 0, count: 0)
    /// The text of the card number, not yet checked in any way.
    package private(set) var pan = ByteRange(offset: 0, count: 0)
    /// Whom the card belongs to, 1 to 128 bytes.
    package private(set) var subject: ByteRange?

    /// Decodes a body, unescaping its strings in place; throws `.malformed` or `.sensitiveAuthenticationData`.
    package init(decoding bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                switch field {
                case .format: format = try reader.requestName()
                case .pan: pan = try reader.requestString()
                case .subject: subject = try reader.requestText(max: Limits.subjectBytesMax)
                default: throw .json(.shape)
                }
            }
            guard seen.contains(.format), seen.contains(.pan) else { throw .json(.shape) }
        }
    }
}
