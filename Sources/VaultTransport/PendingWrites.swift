import NIOCore

/// Plaintext that was written but not yet flushed, in order, with the promise of each write.
struct PendingWrites {
    /// Plaintext bytes of all writes held.
    private(set) var bytes = 0

    /// How many of the writes, from the first, were flushed.
    private(set) var flushed = 0

    private var writes = CircularBuffer<(data: ByteBuffer, promise: EventLoopPromise<Void>?)>()

    var count: Int { writes.count }

    mutating func append(_ data: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        bytes += data.readableBytes
        writes.append((data, promise))
    }

    mutating func markFlushed() { flushed = writes.count }

    /// Plaintext bytes of the first `count` writes.
    func bytes(ofFirst count: Int) -> Int {
        count == writes.count ? bytes : writes.prefix(count).reduce(0) { $0 + $1.data.readableBytes }
    }

    mutating func popFirst() -> (data: ByteBuffer, promise: EventLoopPromise<Void>?)? {
        guard let first = writes.popFirst() else { return nil }
        bytes -= first.data.readableBytes
        flushed = max(0, flushed - 1)
        return first
    }

    /// Wipes and drops everything and fails its promises.
    mutating func fail(_ error: any Error) {
        while var next = popFirst() {
            wipe(&next.data)
            next.promise?.fail(error)
        }
    }
}
