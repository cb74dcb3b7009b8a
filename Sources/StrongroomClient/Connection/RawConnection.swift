internal import NIOCore
internal import NIOPosix

/// One connection without a pool, for load generators and measurements: requests are bytes, pipelined to any depth,
/// and answers are handed over on the connection's event loop, in order, while they are still in the receive buffer.
public final class RawConnection: Sendable {
    private let connection: Connection

    /// Connects and finishes the TLS handshake.
    public init(_ configuration: StrongroomClient.Configuration) async throws(StrongroomError) {
        connection = try await Connection.connect(
            configuration, try StrongroomClient.context(configuration), on: MultiThreadedEventLoopGroup.singleton.next()
        )
    }

    /// A whole JSON request to a path, to be sent as often as needed.
    public static func request(path: StaticString, host: String, body: borrowing Span<UInt8>) -> SecureBuffer {
        let bytes = RequestHead.json(path, host, body).take()
        var request = SecureBuffer(capacity: bytes.readableBytes)
        request.append(contentsOf: bytes.readableBytesUInt8Span)
        return request
    }

    /// Sends one whole request. `onAnswer` gets status and body on the event loop, or `onFailure` why there is none.
    public func send(
        _ request: borrowing Span<UInt8>, onAnswer: @escaping @Sendable (Int, borrowing Span<UInt8>) -> Void,
        onFailure: @escaping @Sendable (StrongroomError) -> Void
    ) {
        var buffer = ByteBufferAllocator().buffer(capacity: request.count)
        buffer.writeSpan(request)
        connection.send(Parcel(buffer)) {
            Exchange { head, body in
                onAnswer(head.status, body.span)
            } failure: { error in
                onFailure(error)
            }
        }
    }

    /// Ends the connection.
    public func close() async { await connection.close() }
}
