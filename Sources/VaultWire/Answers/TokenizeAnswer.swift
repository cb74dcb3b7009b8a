/// The answer to one tokenized card: `{"token","last4","bin","brand","expiry"?,"expires_at"?,"reference"?}`.
package struct TokenizeAnswer: Sendable {
    /// The token, all its digits.
    package var token: Digits
    /// What may be shown of the card: its ends and brand.
    package var card: MaskedCard
    /// The month the card expires in, when it is known.
    package var expiry: ExpiryMonth?
    /// When the token ends, when it does.
    package var expiresAt: Timestamp?

    /// Takes the fields as they are.
    package init(token: Digits, card: MaskedCard, expiry: ExpiryMonth? = nil, expiresAt: Timestamp? = nil) {
        self.token = token
        self.card = card
        self.expiry = expiry
        self.expiresAt = expiresAt
    }

    /// Bytes of the longest answer with a reference of `referenceBytes`, 0 for none.
    package static func maxBytes(referenceBytes: Int) -> Int {
        fixedBytes + OutputRawSpan.jsonStringBytesMax(referenceBytes)
    }

    /// Appends the answer; `reference` is the text of the request, as well-formed UTF-8.
    @inline(__always)
    package func append(reference: Span<UInt8>?, to output: inout OutputRawSpan) {
        output.append(#"{"token":"#)
        output.append(jsonString: token)
        output.append(",")
        card.appendMembers(to: &output)
        if let expiry {
            output.append(#","expiry":""#)
            output.append(expiry)
            output.append(#"""#)
        }
        if let expiresAt {
            output.append(#","expires_at":""#)
            output.append(expiresAt)
            output.append(#"""#)
        }
        if let reference {
            output.append(#","reference":"#)
            output.append(jsonString: reference)
        }
        output.append("}")
    }

    /// Every byte that does not depend on the reference.
    private static let fixedBytes =
        #"{"token":"","#.utf8.count + Limits.digitsMax + MaskedCard.maxBytes
        + #","expiry":"","expires_at":"","reference":}"#.utf8.count + ExpiryMonth.bytes + Timestamp.bytes
}
