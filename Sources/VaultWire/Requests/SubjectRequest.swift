/// A decoded `/v1/subjects/report` or `/v1/subjects/erase`: a person.
package struct SubjectRequest: Sendable {
    /// Whom it is about, 1 to 128 bytes.
    package private(set) var subject = ByteRange(offset: 0, count: 0)

    /// Decodes a body, unescaping its strings in place; throws `.malformed` or `.sensitiveAuthenticationData`.
    package init(decoding bytes: inout MutableSpan<UInt8>) throws(ProblemCode) {
        try JSONReader.decode(&bytes) { (reader) throws(RequestFault) in
            var seen = SeenFields()
            var isFirst = true
            try reader.requestObject()
            while let field = try reader.nextField(&isFirst, seen: &seen) {
                guard field == .subject else { throw .json(.shape) }
                subject = try reader.requestText(max: Limits.subjectBytesMax)
            }
            guard seen.contains(.subject) else { throw .json(.shape) }
        }
    }
}
