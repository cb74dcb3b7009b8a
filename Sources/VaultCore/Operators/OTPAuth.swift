package import SecretMemory

/// What a generator is given: an `otpauth://` address with the secret in it, as QR codes carry it.
package enum OTPAuth {
    /// Most bytes of the issuer once it is encoded, so that the whole fits a small QR code.
    private static let issuerBytesMax = 60

    /// `otpauth://totp/ISSUER:ACCOUNT?secret=BASE32&issuer=ISSUER`. Algorithm, digits and period are left out, since they
    /// are the ones that every generator takes for granted.
    package static func address(
        secret: borrowing Span<UInt8>, account: String, issuer: String
    ) -> SecretBytes {
        let issuer = encoded(issuer, bytesMax: issuerBytesMax)
        let head = Array("otpauth://totp/\(issuer):\(encoded(account, bytesMax: .max))?secret=".utf8)
        let tail = Array("&issuer=\(issuer)".utf8)
        let digits = (secret.count * 8 + 4) / 5
        var address = SecretBytes(count: head.count + digits + tail.count)
        var output = address.mutableSpan
        for (index, byte) in head.enumerated() { output[index] = byte }
        for index in 0..<digits { output[head.count + index] = base32Digit(secret, index) }
        for (index, byte) in tail.enumerated() { output[head.count + digits + index] = byte }
        return address
    }

    /// The digit at a place of the base-32 form (RFC 4648, no padding).
    private static func base32Digit(_ bytes: borrowing Span<UInt8>, _ place: Int) -> UInt8 {
        var value: UInt8 = 0
        for bit in place * 5..<place * 5 + 5 {
            let isSet = bit < bytes.count * 8 && bytes[bit / 8] >> UInt8(7 - bit % 8) & 1 == 1
            value = value << 1 | (isSet ? 1 : 0)
        }
        return value < 26 ? 0x41 + value : 0x32 + value - 26
    }

    /// Percent-encoded (RFC 3986, section 2.3), and cut between two characters where it would be longer.
    private static func encoded(_ text: String, bytesMax: Int) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            var part = ""
            for byte in String(scalar).utf8 {
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                    part.unicodeScalars.append(Unicode.Scalar(byte))
                default: part += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
                }
            }
            guard result.utf8.count + part.utf8.count <= bytesMax else { break }
            result += part
        }
        return result
    }
}
