import NIOCore
import StrongroomClient
import Synchronization
import TLSTestSupport
import Testing

@Suite("The pool")
struct PoolTests {
    private static let found = Canned(body: #"{"token":"9912345678901111"}"#)

    private func find(_ client: StrongroomClient) async throws {
        _ = try await client.find(testCard(), format: "cards")
    }

    @Test("500 calls at a time share 4 connections, and all are answered")
    func limit() async throws {
        let vault = try await FakeVault.start { _, _ in Self.found }
        let client = try vault.client {
            $0.connectionsMax = 4
            // The test is about the limit; a busy machine may take its time.
            $0.waitDeadline = .seconds(300)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<500 { group.addTask { try await find(client) } }
            try await group.waitForAll()
        }
        #expect(vault.requests.total == 500)
        #expect(vault.connections.most <= 4)
        await client.shutDown()
        #expect(await failure { try await find(client) }?.code == .shutDown)
        await vault.stop()
    }

    @Test("a Unix socket works the same")
    func unix() async throws {
        let vault = try await FakeVault.start(unix: "\(FakeVault.certificates.directory)/v.sock") { _, _ in Self.found }
        let client = try vault.client()
        try await find(client)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a connection that the vault closed after an answer is not used again")
    func closed() async throws {
        let vault = try await FakeVault.start { _, _ in
            var canned = Self.found
            canned.headers = [("Connection", "close")]
            return canned
        }
        let client = try vault.client()
        for _ in 0..<20 { try await find(client) }
        #expect(vault.connections.total == 20)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a connection that died unused is replaced, and no call notices")
    func stale() async throws {
        let vault = try await FakeVault.start { _, _ in Self.found }
        let client = try vault.client { $0.idleLife = .milliseconds(5) }
        for round in 0..<40 {
            try await find(client)
            try await Task.sleep(for: .milliseconds(round % 10))
        }
        await client.shutDown()
        await vault.stop()
    }

    @Test("a request in flight on a lost connection fails, and is not repeated")
    func lost() async throws {
        let vault = try await FakeVault.start { _, _ in Canned(hangsUp: true) }
        let client = try vault.client()
        let error = await failure { try await find(client) }
        #expect(error?.code == .connectionLost && error?.isRetryable == true)
        #expect(vault.requests.total == 1)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a silent vault runs into the deadline, and a cancelled task does not wait for it")
    func waiting() async throws {
        let vault = try await FakeVault.start { _, _ in Canned(isSilent: true) }
        let client = try vault.client { $0.requestDeadline = .milliseconds(200) }
        #expect(await failure { try await find(client) }?.code == .deadline)
        let patient = try vault.client()
        let task = Task { await failure { try await find(patient) } }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        #expect(await task.value?.code == .cancelled)
        await client.shutDown()
        await patient.shutDown()
        await vault.stop()
    }

    @Test("too many who wait fail at once; those who wait too long fail later")
    func exhausted() async throws {
        let vault = try await FakeVault.start { _, _ in Canned(isSilent: true) }
        let client = try vault.client {
            $0.connectionsMax = 1
            $0.waitersMax = 1
            $0.waitDeadline = .milliseconds(300)
            $0.requestDeadline = .seconds(5)
        }
        let codes = await withTaskGroup(of: StrongroomError.Code?.self) { group in
            for _ in 0..<3 { group.addTask { await failure { try await find(client) }?.code } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == .poolExhausted }.count == 2)
        #expect(codes.last == .deadline)
        await client.shutDown()
        await vault.stop()
    }

    @Test("nothing listening is tried again, then unreachable")
    func unreachable() async throws {
        let vault = try await FakeVault.start()
        let client = try vault.client { $0.endpoint = .tcp(host: "127.0.0.1", port: 1) }
        await vault.stop()
        let start = ContinuousClock.now
        let error = await failure { try await find(client) }
        #expect(error?.code == .unreachable && error?.isRetryable == true)
        #expect(ContinuousClock.now - start >= .milliseconds(300))
        await client.shutDown()
    }

    @Test("a wrong name, a foreign authority and a refused certificate say what is wrong")
    func certificates() async throws {
        let vault = try await FakeVault.start { _, _ in Self.found }
        let named = try vault.client { $0.serverName = "elsewhere.example" }
        #expect(await failure { try await find(named) }?.code == .tlsFailed)

        let foreign = TestCertificates()
        let trusting = try vault.client { $0.authorities = foreign.authority }
        #expect(await failure { try await find(trusting) }?.code == .tlsFailed)

        let stranger = try vault.client {
            $0.certificate = foreign.pair("checkout").certificate
            $0.key = foreign.pair("checkout").key
        }
        #expect(await failure { try await find(stranger) }?.code == .certificateRefused)

        #expect(throws: StrongroomError.self) { try vault.client { $0.certificate = "/nowhere.crt" } }
        for client in [named, trusting, stranger] { await client.shutDown() }
        await vault.stop()
    }

    @Test("pipelined requests on a raw connection are answered in order")
    func raw() async throws {
        let count = Mutex(0)
        let vault = try await FakeVault.start { _, _ in
            let number = count.withLock { count in
                count += 1
                return count
            }
            return Canned(body: "\(number)")
        }
        let connection = try await RawConnection(vault.configuration())
        let body = Array("{}".utf8)
        let answers = Mutex<[String]>([])
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let request = RawConnection.request(path: "/v1/find", host: "localhost", body: body.span)
            for index in 1...100 {
                connection.send(request.span) { status, body in
                    var text = "\(status) "
                    for position in body.indices { text.unicodeScalars.append(Unicode.Scalar(body[position])) }
                    answers.withLock { $0.append(text) }
                    if index == 100 { continuation.resume() }
                } onFailure: { _ in
                    if index == 100 { continuation.resume() }
                }
            }
        }
        #expect(answers.withLock { $0 } == (1...100).map { "200 \($0)" })
        await connection.close()
        await vault.stop()
    }
}
