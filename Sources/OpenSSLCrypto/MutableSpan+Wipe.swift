internal import SecretMemory

extension MutableSpan<UInt8> {
    /// Wipes every byte, so that a failed operation leaves nothing half done behind.
    @_lifetime(self: copy self)
    mutating func wipeAll() {
        wipe(&self)
    }
}
