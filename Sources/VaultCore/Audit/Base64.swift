/// Base 64 with padding (RFC 4648, section 4), as signed notes have it. Not for secrets: it looks values up in a table.
enum Base64 {
    private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// The value of each byte that is in the alphabet, 255 for the others.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, symbol) in alphabet.enumerated() { values[Int(symbol)] = UInt8(value) }
        return values
    }()

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                let symbol = alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)]
                text.append(place <= group.count ? symbol : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` for anything but the one text that `encode` makes of some bytes: no white space, no missing padding, no bits
    /// behind the last byte. So no two texts stand for the same signature.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var places = 0
        var padding = 0
        for symbol in text {
            if symbol == UInt8(ascii: "=") {
                padding += 1
            } else {
                let value = values[Int(symbol)]
                guard padding == 0, value != 255 else { return nil }
                bits = bits << 6 | UInt32(value)
                places += 1
                guard places == 4 else { continue }
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
                (bits, places) = (0, 0)
            }
        }
        switch (places, padding) {
        case (0, 0): break
        case (2, 2) where bits & 0xF == 0: bytes.append(UInt8(bits >> 4))
        case (3, 1) where bits & 0x3 == 0:
            bytes.append(UInt8(bits >> 10))
            bytes.append(UInt8(bits >> 2 & 0xFF))
        default: return nil
        }
        return bytes
    }
}
