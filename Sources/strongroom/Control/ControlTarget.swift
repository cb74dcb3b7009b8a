/// What a request on the control socket asks for: a path and its query, in the form that goes over the wire.
struct ControlTarget: Equatable, ExpressibleByStringLiteral {
    let text: String

    /// - Parameter query: in this order; several values of one name stand behind one `=`, with commas between.
    init(_ path: StaticString, _ query: [(name: StaticString, values: [String])]) {
        var text = "\(path)"
        for (index, item) in query.enumerated() {
            text += index == 0 ? "?" : "&"
            text += "\(item.name)=" + item.values.map(Self.encoded).joined(separator: ",")
        }
        self.text = text
    }

    init(stringLiteral path: StaticString) { text = "\(path)" }

    /// `%2F` for `/` and so on: everything but letters, digits and `-._~` (RFC 3986, section 2.3).
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%"
                encoded.unicodeScalars.append(digits[Int(byte >> 4)])
                encoded.unicodeScalars.append(digits[Int(byte & 0x0F)])
            }
        }
        return encoded
    }
}
