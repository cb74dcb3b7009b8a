/// Whether bytes are one JSON document, by the same reader that decodes requests.
package enum JSONDocument {
    /// The verdict on a document.
    package enum Verdict: Equatable, Sendable {
        case accepted
        case rejected
    }

    /// Checks one whole document of any shape. The buffer's strings are unescaped in place on the way.
    ///
    /// Repeated names inside an object pass, as RFC 8259 lets them: only request decoders refuse them.
    package static func validate(_ bytes: inout MutableSpan<UInt8>) -> Verdict {
        var reader = JSONReader(bytes._mutatingExtracting(...))
        do throws(JSONFault) {
            try reader.skipValue()
            try reader.end()
            return .accepted
        } catch {
            return .rejected
        }
    }
}
