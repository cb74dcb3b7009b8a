/// The answer to one revealed token: `{"pan","expiry"?}`.
package enum DetokenizeAnswer {
    /// Bytes of the longest answer.
    package static let maxBytes = #"{"pan":"","expiry":""}"#.utf8.count + Limits.digitsMax + ExpiryMonth.bytes

    /// Appends the answer.
    @inline(__always)
    package static func append(pan: Digits, expiry: ExpiryMonth?, to output: inout OutputRawSpan) {
        output.append(#"{"pan":"#)
        output.append(jsonString: pan)
        if let expiry {
            output.append(#","expiry":""#)
            output.append(expiry)
            output.append(#"""#)
        }
        output.append("}")
    }
}
