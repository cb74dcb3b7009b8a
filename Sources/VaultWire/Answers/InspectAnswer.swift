/// The answer to one inspected token, which shows nothing that identifies the card:
/// `{"token"?,"format","last4"?,"bin"?,"brand","expiry"?,"created","expires_at"?,"purposes"?}`.
package struct InspectAnswer: Sendable {
    /// The token, where the answer is to repeat it.
    package var token: Digits?
    /// What may be shown of the card.
    package var card: MaskedCard
    /// The month the card expires in, when it is known.
    package var expiry: ExpiryMonth?
    /// When the token was made.
    package var created: Timestamp
    /// When the token ends, when it does.
    package var expiresAt: Timestamp?

    /// Takes the fields as they are.
    package init(
        token: Digits? = nil, card: MaskedCard, expiry: ExpiryMonth? = nil, created: Timestamp,
        expiresAt: Timestamp? = nil
    ) {
        self.token = token
        self.card = card
        self.expiry = expiry
        self.created = created
        self.expiresAt = expiresAt
    }

    /// Bytes of the longest answer with `purposesBytes` of purposes as `append` takes them.
    package static func maxBytes(purposesBytes: Int) -> Int {
        // Each comma becomes three bytes, and there are at most as many commas as bytes.
        fixedBytes + 3 * purposesBytes
    }

    /// Appends the answer. `format` is a well-formed name; `purposes` are such names with commas between them, which
    /// no name contains, or nil when the token may be used for any purpose.
    package func append(format: Span<UInt8>, purposes: Span<UInt8>?, to output: inout OutputRawSpan) {
        output.append("{")
        if let token {
            output.append(#""token":"#)
            output.append(jsonString: token)
            output.append(",")
        }
        output.append(#""format":"#)
        output.append(jsonString: format)
        output.append(",")
        card.appendMembers(to: &output)
        if let expiry {
            output.append(#","expiry":""#)
            output.append(expiry)
            output.append(#"""#)
        }
        output.append(#","created":""#)
        output.append(created)
        output.append(#"""#)
        if let expiresAt {
            output.append(#","expires_at":""#)
            output.append(expiresAt)
            output.append(#"""#)
        }
        if let purposes { Self.append(purposes: purposes, to: &output) }
        output.append("}")
    }

    private static func append(purposes: Span<UInt8>, to output: inout OutputRawSpan) {
        output.append(#","purposes":["#)
        if !purposes.isEmpty {
            output.append(#"""#)
            for index in purposes.indices {
                if purposes[index] == UInt8(ascii: ",") {
                    output.append(#"",""#)
                } else {
                    output.append(purposes[index])
                }
            }
            output.append(#"""#)
        }
        output.append("]")
    }

    /// Every byte that does not depend on the purposes.
    private static let fixedBytes =
        #"{"token":"","format":,"#.utf8.count + Limits.digitsMax + OutputRawSpan.jsonStringBytesMax(Limits.nameBytesMax)
        + MaskedCard.maxBytes + #","expiry":"","created":"","expires_at":"","purposes":[""]}"#.utf8.count
        + ExpiryMonth.bytes + 2 * Timestamp.bytes
}
