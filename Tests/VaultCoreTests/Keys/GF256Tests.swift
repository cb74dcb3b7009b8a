import Testing

@testable import VaultCore

@Suite("GF(256)")
struct GF256Tests {
    /// The product as polynomials over GF(2), all 15 coefficients of it, and then its remainder by long division.
    private func slowProduct(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product = 0
        for bit in 0..<8 where right >> UInt8(bit) & 1 == 1 { product ^= Int(left) << bit }
        for bit in stride(from: 14, through: 8, by: -1) where product >> bit & 1 == 1 { product ^= 0x11B << (bit - 8) }
        return UInt8(product)
    }

    private func count(where isWrong: (UInt8, UInt8) -> Bool) -> Int {
        var wrong = 0
        for left in UInt8.min...UInt8.max {
            for right in UInt8.min...UInt8.max where isWrong(left, right) { wrong += 1 }
        }
        return wrong
    }

    @Test("all 65,536 products are those of polynomial long division")
    func products() {
        #expect(count { GF256.multiply($0, $1) != slowProduct($0, $1) } == 0)
        // A control: the same comparison finds a field that is another one.
        #expect(count { GF256.multiply($0, $1) != ($0 &* $1) } > 50_000)
    }

    @Test("addition is its own inverse, and all 65,536 sums distribute over a product")
    func sums() {
        #expect(count { GF256.add(GF256.add($0, $1), $1) != $0 } == 0)
        for factor: UInt8 in [2, 0x53, 0xFF] {
            let wrong = count { left, right in
                GF256.multiply(GF256.add(left, right), factor)
                    != GF256.add(GF256.multiply(left, factor), GF256.multiply(right, factor))
            }
            #expect(wrong == 0)
        }
    }

    @Test("every element but 0 has the inverse that a search finds, and 0 gives 0")
    func inverses() {
        #expect(GF256.inverse(0) == 0)
        for element in UInt8(1)...255 {
            let found = (UInt8(1)...255).filter { slowProduct(element, $0) == 1 }
            #expect(found == [GF256.inverse(element)])
        }
    }

    @Test("the worked examples of FIPS 197 come out: 57 * 83 = C1, 57 * 13 = FE, and 53 is the inverse of CA")
    func published() {
        #expect(GF256.multiply(0x57, 0x83) == 0xC1)
        #expect(GF256.multiply(0x57, 0x13) == 0xFE)
        #expect(GF256.inverse(0x53) == 0xCA)
    }
}
