/// Why a request was not decoded, before it becomes a `ProblemCode`.
enum RequestFault: Error {
    /// Not JSON, or not this request.
    case json(JSONFault)
    /// A security code, track data or a PIN was there; its value is wiped.
    case sensitive
    /// More items than one request may have.
    case tooMany
}

extension JSONReader {
    /// Decodes one whole document by `body`, and turns whatever is wrong into the code the caller sees.
    ///
    /// A document that is refused for its shape is searched to its end for sensitive fields, so that the answer does
    /// not depend on their position and no such value is left in the buffer.
    @inline(__always)
    static func decode(
        _ bytes: inout MutableSpan<UInt8>, by body: (inout JSONReader) throws(RequestFault) -> Void
    ) throws(ProblemCode) {
        var reader = JSONReader(bytes._mutatingExtracting(...))
        do throws(RequestFault) {
            try body(&reader)
            try reader.requestEnd()
        } catch {
            switch error {
            case .json(.syntax): throw .malformed
            case .json(.shape): throw reader.wipeSensitiveFieldsAhead() ? .sensitiveAuthenticationData : .malformed
            case .tooMany: throw reader.wipeSensitiveFieldsAhead() ? .sensitiveAuthenticationData : .tooLarge
            case .sensitive:
                _ = reader.wipeSensitiveFieldsAhead()
                throw .sensitiveAuthenticationData
            }
        }
    }

    /// The next field of a request's object; nil at its end. Unknown, repeated and sensitive names fault.
    @_lifetime(self: copy self)
    mutating func nextField(
        _ isFirst: inout Bool, seen: inout SeenFields
    ) throws(RequestFault) -> FieldName? {
        let range: ByteRange?
        do throws(JSONFault) { range = try nextName(&isFirst) } catch { throw .json(error) }
        guard let range else { return nil }
        guard let field = FieldName(view(range)) else {
            guard SensitiveField.matches(view(range)) else { throw .json(.shape) }
            do throws(JSONFault) { try wipeValue() } catch { throw .sensitive }
            throw .sensitive
        }
        try seen.insert(field)
        return field
    }

    /// `beginObject`, for request decoders.
    @_lifetime(self: copy self)
    mutating func requestObject() throws(RequestFault) {
        do throws(JSONFault) { try beginObject() } catch { throw .json(error) }
    }

    /// `end`, for request decoders.
    @_lifetime(self: copy self)
    mutating func requestEnd() throws(RequestFault) {
        do throws(JSONFault) { try end() } catch { throw .json(error) }
    }

    /// Reads an array of 1 to `max` elements, each by `element`.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func requestArray(
        max: Int, element: (inout JSONReader) throws(RequestFault) -> Void
    ) throws(RequestFault) {
        var isFirst = true
        var count = 0
        do throws(JSONFault) { try beginArray() } catch { throw .json(error) }
        while true {
            let hasNext: Bool
            do throws(JSONFault) { hasNext = try nextElement(&isFirst) } catch { throw .json(error) }
            guard hasNext else { break }
            count += 1
            guard count <= max else { throw .tooMany }
            try element(&self)
        }
        guard count > 0 else { throw .json(.shape) }
    }
}
