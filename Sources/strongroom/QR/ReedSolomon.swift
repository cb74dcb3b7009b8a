import SecretMemory

/// Reed-Solomon error correction over GF(2^8) with the polynomial of QR codes, x^8 + x^4 + x^3 + x^2 + 1
/// (ISO/IEC 18004, annex A).
enum ReedSolomon {
    static func multiply(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var product: UInt16 = 0
        for bit in stride(from: 7, through: 0, by: -1) {
            product <<= 1
            if product & 0x100 != 0 { product ^= 0x11D }
            if b >> UInt8(bit) & 1 == 1 { product ^= UInt16(a) }
        }
        return UInt8(truncatingIfNeeded: product)
    }

    /// The generator polynomial of a degree: (x - 1)(x - 2)(x - 4)..., highest power first and without its leading 1.
    static func generator(degree: Int) -> [UInt8] {
        var coefficients = [UInt8](repeating: 0, count: degree - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<degree {
            for index in 0..<degree {
                coefficients[index] = multiply(coefficients[index], root)
                if index + 1 < degree { coefficients[index] ^= coefficients[index + 1] }
            }
            root = multiply(root, 2)
        }
        return coefficients
    }

    /// The codewords to append to `data`, as many as the generator's degree.
    static func remainder(of data: borrowing Span<UInt8>, _ generator: [UInt8]) -> WipedArray<UInt8> {
        var result = WipedArray<UInt8>(capacity: generator.count)
        for _ in generator { result.append(0) }
        for index in data.indices {
            let factor = data[index] ^ result[0]
            for place in 0..<generator.count {
                let next = place + 1 < generator.count ? result[place + 1] : 0
                result[place] = next ^ multiply(generator[place], factor)
            }
        }
        return result
    }
}
