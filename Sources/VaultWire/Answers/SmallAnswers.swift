/// The answer of `/v1/find`: `{"token"}`.
package enum FindAnswer {
    /// Bytes of the longest answer.
    package static let maxBytes = #"{"token":""}"#.utf8.count + Limits.digitsMax

    /// Appends the answer.
    package static func append(token: Digits, to output: inout OutputRawSpan) {
        output.append(#"{"token":"#)
        output.append(jsonString: token)
        output.append("}")
    }
}

/// The answer of `/v1/fingerprint`: `{"fingerprint"}`, in lower-case hexadecimal.
package enum FingerprintAnswer {
    /// Bytes of the answer for a fingerprint of `fingerprintBytes`.
    package static func maxBytes(fingerprintBytes: Int) -> Int {
        #"{"fingerprint":""}"#.utf8.count + 2 * fingerprintBytes
    }

    /// Appends the answer.
    package static func append(fingerprint: Span<UInt8>, to output: inout OutputRawSpan) {
        output.append(#"{"fingerprint":""#)
        for index in fingerprint.indices { output.append(hex: fingerprint[index]) }
        output.append(#""}"#)
    }
}

/// The answer of `/v1/forget`: `{"forgotten":n}`.
package enum ForgetAnswer {
    /// Bytes of the longest answer; 20 digits are the longest number of 64 bits.
    package static let maxBytes = #"{"forgotten":}"#.utf8.count + 20

    /// Appends the answer.
    package static func append(forgotten: UInt64, to output: inout OutputRawSpan) {
        output.append(#"{"forgotten":"#)
        output.appendDecimal(forgotten)
        output.append("}")
    }
}
