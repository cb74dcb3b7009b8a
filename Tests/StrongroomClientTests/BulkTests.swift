import StrongroomClient
import Synchronization
import Testing

@Suite("Bulk streams")
struct BulkTests {
    /// Sends `lines` lines in chunks that split lines anywhere.
    private func upload(_ stream: BulkStream, lines: Int, chunk: Int) async throws {
        var buffer: [UInt8] = []
        for number in 0..<lines {
            let digits = String(number)
            buffer += Array("1\(String(repeating: "0", count: 12 - digits.utf8.count))\(digits)\n".utf8)
            while buffer.count >= chunk {
                let part = Array(buffer[..<chunk])
                try await stream.send(part.span)
                buffer.removeFirst(chunk)
            }
        }
        try await stream.send(buffer.span)
        try await stream.finish()
    }

    @Test("200,000 lines come back in order while the upload still runs", arguments: [777, 65_536])
    func concurrent(chunk: Int) async throws {
        let vault = try await FakeVault.start()
        let client = try vault.client()
        let stream = try await client.bulkTokenize(format: "cards")
        let lines = chunk < 1000 ? 20_000 : 200_000
        async let uploaded: Void = upload(stream, lines: lines, chunk: chunk)
        var buffer = SecureBuffer()
        var line: [UInt8] = []
        var received = 0
        var isOrdered = true
        while try await stream.receive(into: &buffer) {
            let bytes = buffer.span
            for index in bytes.indices {
                guard bytes[index] == 0x0A else {
                    line.append(bytes[index])
                    continue
                }
                let number = Int(String(decoding: line.reversed().dropFirst(), as: UTF8.self))
                isOrdered = isOrdered && number == received
                received += 1
                line.removeAll(keepingCapacity: true)
            }
        }
        try await uploaded
        #expect(isOrdered && received == lines)
        #expect(stream.summary?.succeeded == UInt64(lines) && stream.summary?.failed == 0)
        // The connection is good for more.
        let next = try await client.bulkDetokenize(purpose: "charge", withExpiry: true)
        let bytes = Array("x1\n22\n".utf8)
        try await next.send(bytes.span)
        try await next.finish()
        while try await next.receive(into: &buffer) {}
        #expect(next.summary?.succeeded == 1 && next.summary?.failed == 1)
        #expect(vault.connections.total == 1)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a stream that is refused at its head fails on both sides, with the vault's code")
    func refused() async throws {
        let vault = try await FakeVault.start(bulkStatus: 403)
        let client = try vault.client()
        let stream = try await client.bulkDetokenize(purpose: "charge")
        let sending = Task { await failure { try await upload(stream, lines: 10_000_000, chunk: 65_536) } }
        let error = await failure {
            var buffer = SecureBuffer()
            while try await stream.receive(into: &buffer) {}
        }
        #expect(error?.code == .denied && error?.status == 403)
        #expect(await sending.value?.code == .denied)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a sender whose answers nobody takes is held up, and cancelling frees it")
    func backPressure() async throws {
        let vault = try await FakeVault.start()
        let client = try vault.client()
        let stream = try await client.bulkTokenize()
        let sent = Mutex(0)
        let sending = Task {
            await failure {
                let chunk = [UInt8](repeating: 0x0A, count: 65_536)
                while true {
                    try await stream.send(chunk.span)
                    sent.withLock { $0 += chunk.count }
                }
            }
        }
        // Kernel buffers of both sides and our half megabytes; an unbounded client would go on for gigabytes.
        var before = -1
        var now = 0
        while now != before || now == 0, now < 64 << 20 {
            before = now
            try await Task.sleep(for: .milliseconds(700))
            now = sent.withLock { $0 }
        }
        #expect(now < 64 << 20)
        sending.cancel()
        #expect(await sending.value?.code == .cancelled)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a receiver that waits for a silent vault is freed by cancelling")
    func silentVault() async throws {
        let vault = try await FakeVault.start(bulkStatus: 0)
        let client = try vault.client()
        let stream = try await client.bulkTokenize()
        let receiving = Task {
            await failure {
                var buffer = SecureBuffer()
                _ = try await stream.receive(into: &buffer)
            }
        }
        try await Task.sleep(for: .milliseconds(50))
        await vault.stop()
        stream.cancel()
        #expect(await receiving.value?.code == .cancelled)
        await client.shutDown()
    }

    @Test("names that could break the head are refused here")
    func headerInjection() async throws {
        let vault = try await FakeVault.start()
        let client = try vault.client()
        for name in ["", "a b", "a\r\nX: y", "ä"] {
            #expect(await failure { _ = try await client.bulkDetokenize(purpose: name) }?.code == .malformed)
        }
        await client.shutDown()
        await vault.stop()
    }
}
