import Glibc
import OpenSSLTLS
import TLSTestSupport

/// A blocking one-connection server on 127.0.0.1 around a session, to meet TLS clients that are not ours.
struct LoopbackServer {
    struct Outcome {
        var established = false
        var received: [UInt8] = []
        var peerClosed = false
        var error: TLSError?
        var peer: PeerIdentity?
        var clientOutput = ""
    }

    let port: UInt16
    private let listener: Int32
    private let context: TLSContext

    init(_ context: TLSContext) throws {
        self.context = context
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener, address, length) == 0 && listen(listener, 4) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        precondition(bound, "no loopback socket")
        port = UInt16(bigEndian: address.sin_port)
    }

    /// Serves one connection of the program started with `arguments`, answering `answer` to the first data.
    func serve(_ arguments: [String], input: String = "hello\n", answer: String = "") throws -> Outcome {
        let process = Subprocess(arguments)
        process.write(input)
        let connection = accept(listener, nil, nil)
        close(listener)
        precondition(connection >= 0, "nobody called")
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))

        let end = try End(context)
        var chunk = [UInt8](repeating: 0, count: 16_384)
        var answered = false
        while end.error == nil && !end.peerClosed {
            let got = unsafe recv(connection, &chunk, chunk.count, 0)
            guard got > 0 else { break }
            end.inbox += chunk[..<got]
            send(end.turn(), to: connection)
            if !end.received.isEmpty && !answered {
                answered = true
                send(try end.seal(Array(answer.utf8)), to: connection)
                end.session.close()
                send(end.drain(), to: connection)
                process.closeInput()
            }
        }
        process.closeInput()
        shutdown(connection, Int32(SHUT_WR))
        while unsafe recv(connection, &chunk, chunk.count, 0) > 0 {}
        close(connection)
        let outcome = Outcome(
            established: end.established, received: end.received, peerClosed: end.peerClosed, error: end.error,
            peer: end.peer, clientOutput: process.readAll())
        _ = process.wait()
        return outcome
    }

    /// The same with `openssl s_client`, which trusts the CA and takes more options.
    func meet(_ options: [String], of certificates: TestCertificates = Shared.certificates) throws -> Outcome {
        try serve(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", certificates.authority] + options,
            answer: "welcome\n")
    }

    /// MSG_NOSIGNAL: a client that is gone is an error, not a signal.
    private let noSignal: Int32 = 0x4000

    private func send(_ bytes: [UInt8], to connection: Int32) {
        var done = 0
        while done < bytes.count {
            let wrote = unsafe bytes.withUnsafeBytes { rest in
                unsafe Glibc.send(connection, rest.baseAddress! + done, rest.count - done, noSignal)
            }
            guard wrote > 0 else { return }
            done += wrote
        }
    }
}
