import SecretMemory
import Testing

@Suite("comparing and wiping")
struct ComparisonTests {
    @Test("equal strings are equal, and a change of any bit of any byte is seen", arguments: [1, 16, 31, 32, 33, 100])
    func everyBit(count: Int) {
        let left = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
        expect(constantTimeEqual(left.span, left.span))
        for bit in 0..<(count * 8) {
            var right = left
            right[bit / 8] ^= 1 << (bit % 8)
            expect(!constantTimeEqual(left.span, right.span))
        }
    }

    @Test("strings of different length are unequal, and empty ones are equal")
    func lengths() {
        let one: [UInt8] = [0]
        let two: [UInt8] = [0, 0]
        let none: [UInt8] = []
        expect(!constantTimeEqual(one.span, two.span))
        expect(!constantTimeEqual(none.span, one.span))
        expect(constantTimeEqual(none.span, none.span))
    }

    @Test("a difference in the first byte takes as long as one in the last")
    func timing() {
        let left = [UInt8](repeating: 3, count: 1 << 20)
        var first = left
        var last = left
        first[0] = 4
        last[left.count - 1] = 4
        // The best of many runs, since machines are busy; an early exit would be thousands of times faster.
        let early = fastest { constantTimeEqual(left.span, first.span) }
        let late = fastest { constantTimeEqual(left.span, last.span) }
        #expect(early > late / 3, "first byte: \(early), last byte: \(late)")
    }

    private func fastest(_ body: () -> Bool) -> Duration {
        (0..<20).map { _ in ContinuousClock().measure { if body() { Issue.record("equal") } } }.min() ?? .zero
    }

    @Test("wiping leaves zeros, and only in the span it was given")
    func wiping() {
        var all = [UInt8](repeating: 0xFF, count: 100)
        var span = all.mutableSpan
        var middle = span._mutatingExtracting(10..<90)
        wipe(&middle)
        #expect(all[10..<90].allSatisfy { $0 == 0 })
        #expect(all[..<10].allSatisfy { $0 == 0xFF } && all[90...].allSatisfy { $0 == 0xFF })
    }
}

/// Spans cannot go through the macro, their comparison can.
func expect(_ condition: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(condition, sourceLocation: sourceLocation)
}
