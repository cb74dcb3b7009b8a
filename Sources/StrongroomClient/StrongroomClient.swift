internal import NIOCore
internal import NIOPosix
internal import OpenSSLTLS

/// A client of a vault: pooled TLS 1.3 connections with a client certificate, and a call for everything a vault does.
///
/// ```swift
/// let vault = try StrongroomClient(configuration: configuration)
/// let answer = try await vault.tokenize(Card(number))
/// ```
/// Any thread, any number of calls at a time. Calls are never repeated by themselves: what is tried again is
/// connecting. A call whose task is cancelled ends its connection. Call `shutDown()` before letting it go.
public final class StrongroomClient: Sendable {
    let configuration: Configuration
    let pool: ConnectionPool

    /// Reads the certificates; connects to nothing yet. Throws `badConfiguration` with the file and what is wrong
    /// with it.
    public init(configuration: Configuration) throws(StrongroomError) {
        self.configuration = configuration
        pool = ConnectionPool(
            configuration, try Self.context(configuration), group: MultiThreadedEventLoopGroup.singleton)
    }

    /// Reads the certificates again, for connections opened from now on.
    public func reloadCertificates() throws(StrongroomError) { pool.replace(try Self.context(configuration)) }

    /// Ends all connections, with whatever is under way on them.
    public func shutDown() async { await pool.shutDown() }

    static func context(_ configuration: Configuration) throws(StrongroomError) -> TLSContext {
        do throws(TLSConfigurationError) {
            return try TLSContext(
                clientPair: (configuration.certificate, configuration.key), serverAuthorities: configuration.authorities
            )
        } catch {
            throw StrongroomError(.badConfiguration, "\(error)", mayHaveBeenSent: false)
        }
    }

    /// One request and its answer, as `decode` reads it.
    func call<Answer: Sendable>(
        _ path: StaticString, _ body: consuming SecureBuffer,
        decode: @escaping @Sendable (inout MutableSpan<UInt8>) throws(StrongroomError) -> Answer
    ) async throws(StrongroomError) -> Answer {
        while true {
            do throws(StrongroomError) {
                return try await exchange(RequestHead.json(path, configuration.effectiveServerName, body.span), decode)
            } catch {
                if Task.isCancelled { throw .cancelled }
                // A connection that ended while it lay unused took no request with it: each round uses one up.
                guard error.code == .connectionLost, !error.mayHaveBeenSent else { throw error }
            }
        }
    }

    private func exchange<Answer: Sendable>(
        _ request: Parcel,
        _ decode: @escaping @Sendable (inout MutableSpan<UInt8>) throws(StrongroomError) -> Answer
    ) async throws(StrongroomError) -> Answer {
        let connection = try await pool.lease()
        let deadline = TimeAmount(configuration.requestDeadline)
        let result: Result<Answer, StrongroomError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                connection.send(request) {
                    Exchange(deadline: deadline) { head, body in
                        do throws(StrongroomError) {
                            try head.throwIfProblem(&body)
                            continuation.resume(returning: .success(try decode(&body)))
                        } catch {
                            continuation.resume(returning: .failure(error))
                        }
                    } failure: { error in
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
        } onCancel: {
            connection.close(with: .cancelled)
        }
        pool.release(connection)
        return try result.get()
    }
}

extension AnswerHead {
    /// Throws what the vault says is wrong.
    func throwIfProblem(_ body: inout MutableSpan<UInt8>) throws(StrongroomError) {
        guard status != 200 else { return }
        let code = try AnswerFields.one(&body).code
        throw StrongroomError(code: code ?? "http_\(status)", status: status, retryAfterSeconds: retryAfterSeconds)
    }
}

/// Heads of requests, as bytes.
enum RequestHead {
    /// A whole JSON request. The buffer has the right size from the start: nothing is left behind by growing.
    static func json(_ path: StaticString, _ host: String, _ body: borrowing Span<UInt8>) -> Parcel {
        var buffer = ByteBufferAllocator().buffer(capacity: 160 + host.utf8.count + body.count)
        start(path, host, &buffer)
        buffer.writeStaticString("Content-Type: application/json\r\nContent-Length: ")
        buffer.writeString(String(body.count))
        buffer.writeStaticString("\r\n\r\n")
        buffer.writeSpan(body)
        return Parcel(buffer)
    }

    /// The head of a bulk request; chunks follow. `fields` are names and checked values.
    static func lines(_ path: StaticString, _ host: String, _ fields: [(StaticString, String)]) -> Parcel {
        var buffer = ByteBufferAllocator().buffer(capacity: 512)
        start(path, host, &buffer)
        buffer.writeStaticString("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n")
        for (name, value) in fields {
            buffer.writeStaticString(name)
            buffer.writeStaticString(": ")
            buffer.writeString(value)
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("\r\n")
        return Parcel(buffer)
    }

    private static func start(_ path: StaticString, _ host: String, _ buffer: inout ByteBuffer) {
        buffer.writeStaticString("POST ")
        buffer.writeStaticString(path)
        buffer.writeStaticString(" HTTP/1.1\r\nHost: ")
        buffer.writeString(host.contains(":") ? "[\(host)]" : host)
        buffer.writeStaticString("\r\n")
    }
}

extension ByteBuffer {
    /// Appends the bytes of a span.
    mutating func writeSpan(_ bytes: borrowing Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { source in _ = unsafe writeBytes(source) }
    }
}
