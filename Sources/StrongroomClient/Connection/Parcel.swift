internal import NIOCore
internal import Synchronization

/// Bytes on their way to the event loop, held once: TLS wipes what it has encrypted only where nobody else holds it,
/// and a buffer that closures and suspended calls pass along is held by all of them.
final class Parcel: Sendable {
    private let buffer: Mutex<ByteBuffer?>

    init(_ buffer: consuming ByteBuffer) { self.buffer = Mutex(buffer) }

    /// The bytes, once; nothing afterwards.
    func take() -> ByteBuffer { buffer.withLock { $0.take() } ?? ByteBuffer() }
}
