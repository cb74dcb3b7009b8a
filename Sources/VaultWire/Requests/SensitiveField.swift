/// Names of fields that carry sensitive authentication data: card security codes, track data and PINs, which may not be
/// kept after authorization and have no place in a vault. PCI DSS 3.3.1 is the rule behind it.
enum SensitiveField {
    /// Whether a field name is one of them, whatever its case and however its words are joined (`_`, `-`, `.`, space).
    static func matches(_ name: Span<UInt8>) -> Bool {
        guard name.count <= Limits.fieldNameBytesMax else { return false }
        // Longer than any name of the list, which a test checks by finding each.
        var folded = InlineArray<24, UInt8>(repeating: 0)
        var count = 0
        for index in name.indices {
            let byte = name[index]
            if byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == 0x20 {
                continue
            }
            guard count < folded.count else { return false }
            folded[count] = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            count += 1
        }
        let text = folded.span.extracting(0..<count)
        for known in names where text.equals(known) { return true }
        return false
    }

    /// In lower case and without joints. `pan` is not here, and no name is matched by its beginning only.
    static let names: [StaticString] = [
        "cvv", "cvv2", "cvc", "cvc2", "cid", "cav", "cav2", "csc", "cvn", "cvn2", "cvd", "cve", "icvv", "dcvv",
        "cvvcode", "cvccode", "cvv2code", "cardcvv", "cardcvc", "cardcvv2", "cardcvc2", "cardcode",
        "securitycode", "cardsecuritycode", "cardverificationvalue", "cardverificationcode",
        "cardverificationnumber", "verificationvalue", "verificationcode",
        "track", "tracks", "track1", "track2", "track3", "trackdata", "track1data", "track2data", "track3data",
        "track2equivalentdata", "magstripe", "magstripedata", "magneticstripe", "magneticstripedata", "swipe",
        "swipedata", "pin", "pins", "pinblock", "pindata", "encryptedpin", "encryptedpinblock",
    ]
}

extension JSONReader {
    /// Wipes the value of the sensitive field whose name was just read, and goes past it.
    ///
    /// When that value is not well formed, everything up to the end of the document is wiped.
    @_lifetime(self: copy self)
    mutating func wipeValue() throws(JSONFault) {
        skipWhiteSpace()
        let start = position
        do throws(JSONFault) {
            try skipValue()
        } catch {
            wipe(from: start, to: bytes.count)
            position = bytes.count
            throw error
        }
        wipe(from: start, to: position)
    }

    /// Looks through the rest of a document that is refused anyway, and wipes the values of its sensitive fields.
    ///
    /// Goes by the text alone, at any depth: a string with a colon behind it is a name. Returns whether there was one.
    @_lifetime(self: copy self)
    mutating func wipeSensitiveFieldsAhead() -> Bool {
        var found = false
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: "\"") else {
                position += 1
                continue
            }
            do throws(JSONFault) {
                let text = try string()
                skipWhiteSpace()
                guard current == UInt8(ascii: ":"), SensitiveField.matches(view(text)) else { continue }
                found = true
                position += 1
                try wipeValue()
            } catch {
                return found
            }
        }
        return found
    }

    @_lifetime(self: copy self)
    private mutating func wipe(from start: Int, to end: Int) {
        for index in start..<end { bytes[index] = 0 }
    }
}
