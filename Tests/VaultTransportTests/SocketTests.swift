import NIOCore
import NIOPosix
import OpenSSLTLS
import TLSTestSupport
import Testing
import VaultTransport

/// Answers what it receives, closes when its peer has sent all, and remembers how connections went.
private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let outcome: EventLoopPromise<TLSError?>
    private var error: TLSError?

    init(outcome: EventLoopPromise<TLSError?>) { self.outcome = outcome }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }
    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(.inputClosed) = event as? ChannelEvent else { return }
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = self.error ?? error as? TLSError
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { outcome.succeed(error) }
    func handlerRemoved(context: ChannelHandlerContext) { outcome.succeed(error) }
}

/// The handler on real sockets, against programs that are not ours.
@Suite("TLS on sockets")
struct SocketTests {
    /// Serves one connection of the shell command that `client` makes from the port.
    private func serve(_ client: (Int) -> String) async throws -> (output: String, error: TLSError?) {
        let tls = try Shared.server()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let outcome = loop.makePromise(of: TLSError?.self)
        let listener = try await ServerBootstrap(group: loop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    var settings = TLSSettings()
                    settings.allowsHalfClosure = true
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler(tls, settings: settings), Echo(outcome: outcome),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = listener.localAddress?.port ?? 0
        let output = run(["timeout", "20", "bash", "-c", client(port)]).output
        try await listener.close()
        return (output, try await outcome.futureResult.get())
    }

    private func sClient(_ port: Int, _ options: String, client: String = "billing") -> String {
        let files = Shared.certificates
        return "openssl s_client -connect 127.0.0.1:\(port) -CAfile \(files.authority) -verify_return_error "
            + "-cert \(files.pair(client).certificate) -key \(files.pair(client).key) -quiet -no_ign_eof \(options)"
    }

    @Test("s_client gets its line back")
    func sClientEcho() async throws {
        let (output, _) = try await serve { "(echo hello; sleep 1) | \(sClient($0, "")) 2>/dev/null" }
        #expect(output == "hello\n")
    }

    @Test("Python sends ten million bytes, closes its side properly, and gets them all back")
    func python() async throws {
        let files = Shared.certificates
        let (output, error) = try await serve { port in
            """
            python3 - <<'PYTHON'
            import hashlib, socket, ssl, threading
            context = ssl.create_default_context(cafile="\(files.authority)")
            context.load_cert_chain("\(files.pair("checkout").certificate)", "\(files.pair("checkout").key)")
            plain = socket.create_connection(("127.0.0.1", \(port)))
            connection = context.wrap_socket(plain, server_hostname="localhost")
            assert connection.version() == "TLSv1.3"
            data = bytes(range(256)) * 40_000
            got = hashlib.sha256()
            def read():
                left = len(data)
                while left:
                    piece = connection.recv(min(left, 65536))
                    assert piece
                    got.update(piece)
                    left -= len(piece)
            reader = threading.Thread(target=read)
            reader.start()
            connection.sendall(data)
            reader.join()
            assert got.digest() == hashlib.sha256(data).digest()
            connection.unwrap().close()
            print("all back")
            PYTHON
            """
        }
        #expect(output == "all back\n")
        #expect(error == nil)
    }

    @Test("a refused client gets to read the alert, though it sent data behind its handshake")
    func refused() async throws {
        let files = Shared.certificates
        let (output, error) = try await serve { port in
            "(head -c 300000 /dev/zero; sleep 1) | openssl s_client -connect 127.0.0.1:\(port) "
                + "-CAfile \(files.authority) -quiet -no_ign_eof 2>&1"
        }
        #expect(error == .noCertificate)
        #expect(output.contains("alert number 116"))
    }

    @Test("a client of TLS 1.2 is told so")
    func oldVersion() async throws {
        let (output, error) = try await serve { "echo | \(sClient($0, "-tls1_2")) 2>&1" }
        #expect(error == .unsupportedVersion)
        #expect(output.contains("alert number 70"))
    }

    @Test("curl with plain HTTP shows a helpful answer")
    func plainHTTP() async throws {
        let (output, error) = try await serve { "curl -s http://127.0.0.1:\($0)/v1/tokenize -d secret" }
        #expect(error == .plaintextHTTP)
        #expect(output.contains("This port speaks TLS 1.3"))
    }

    @Test("a client that vanishes is an error, not a close")
    func vanished() async throws {
        let (_, error) = try await serve { "(echo hello; sleep 5) | timeout -s KILL 1 \(sClient($0, "")) 2>/dev/null" }
        #expect(error == .truncated)
    }
}
