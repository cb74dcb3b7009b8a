/// Text with `%41` in the place of `A`; `nil` where an escape is none, or the bytes are no UTF-8.
func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.allSatisfy({ $0.isLetterOrDigit }),
            let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
        else { return nil }
        rest = rest.dropFirst(2)
        bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
}

/// The reverse, for everything but letters, digits and `-._/`.
func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
        if byte.isLetterOrDigit || [0x2D, 0x2E, 0x5F, 0x2F].contains(byte) {
            result.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
