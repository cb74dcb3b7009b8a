/// Whether two byte strings are equal, in a time that depends on their length only.
///
/// Lengths are not secret: strings of different length are unequal at once. Every byte is looked at, wherever the
/// first difference is. Not inlined, so that no caller's knowledge of one side can turn the loop into an early exit.
@inline(never)
package func constantTimeEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices {
        difference |= left[index] ^ right[index]
    }
    return difference == 0
}
