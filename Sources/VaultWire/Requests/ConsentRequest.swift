/// A decoded `/v1/consents/withdraw` or `/v1/consents/grant`: a person and a purpose.
package struct ConsentRequest: Sendable {
    /// Whom it is about, 1 to 128 bytes.
    package private(set) var subject = ByteRange(offset: 0, count: 0)
    /// What is refused or allowed from now on, a well-formed name.
    package private(set) var purpose = ByteRange(offset: 0, count: 0)

    /// Decodes a body, unescaping its strings in place; throws `.malformed` or `.sensitiveAuthenticationData`.
    package init(decoding bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                switch field {
                case .subject: subject = try reader.requestText(max: Limits.subjectBytesMax)
                case .purpose: purpose = try reader.requestName()
                default: throw .json(.shape)
                }
            }
            guard seen.contains(.subject), seen.contains(.purpose) else { throw .json(.shape) }
        }
    }
}
