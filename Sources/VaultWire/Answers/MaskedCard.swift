/// What may be shown of a card to someone who may see its token: `"last4"?`, `"bin"?` and `"brand"`.
package struct MaskedCard: Sendable {
    /// The last four digits; nil where they are not to be shown.
    package var last4: Digits?
    /// The first six or eight digits; nil where they are not to be shown.
    package var bin: Digits?
    /// The brand, as ASCII that needs no escape; at most `Limits.brandBytesMax` bytes.
    package var brand: StaticString

    /// Takes the fields; traps when they are more than what may be shown, since that would be a leak.
    package init(last4: Digits?, bin: Digits?, brand: StaticString) {
        precondition(last4?.length ?? 4 == 4 && bin?.length ?? 8 <= 8, "a masked card has four digits and a BIN")
        precondition(brand.utf8CodeUnitCount <= Limits.brandBytesMax, "the name of a brand is short")
        self.last4 = last4
        self.bin = bin
        self.brand = brand
    }

    /// Bytes of the longest three members.
    static let maxBytes = #""last4":"","bin":"","brand":"""#.utf8.count + 4 + 8 + Limits.brandBytesMax

    /// Appends the members without braces.
    @inline(__always)
    func appendMembers(to output: inout OutputRawSpan) {
        if let last4 {
            output.append(#""last4":"#)
            output.append(jsonString: last4)
            output.append(",")
        }
        if let bin {
            output.append(#""bin":"#)
            output.append(jsonString: bin)
            output.append(",")
        }
        output.append(#""brand":"#)
        output.append(jsonString: brand)
    }
}
