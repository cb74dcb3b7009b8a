extension Span where Element == UInt8 {
    /// Whether the bytes are exactly those of an ASCII literal. Not constant-time: for names and codes, never secrets.
    @inline(__always)
    package func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        // A literal's bytes live as long as the program, and the index stays below its own count.
        let literal = unsafe text.utf8Start
        for index in 0..<count where unsafe self[index] != literal[index] { return false }
        return true
    }
}
