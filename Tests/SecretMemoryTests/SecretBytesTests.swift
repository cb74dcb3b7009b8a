import SecretMemory
import Testing

@Suite("secret bytes")
struct SecretBytesTests {
    @Test("a new secret is all zeros, of the size asked for", arguments: [0, 1, 16, 32, 64, 65, 4096, 100_000])
    func zeroed(count: Int) {
        let secret = SecretBytes(count: count)
        #expect(secret.count == count)
        var sum = 0
        for index in secret.span.indices { sum += Int(secret.span[index]) }
        #expect(sum == 0)
    }

    @Test("a copy holds the bytes of its source")
    func copying() {
        let source: [UInt8] = (0..<48).map { UInt8($0) }
        let secret = SecretBytes(copying: source.span)
        let same = constantTimeEqual(secret.span, source.span)
        #expect(same)
    }

    @Test("what is written through the mutable span is read through the span")
    func writing() {
        var secret = SecretBytes(count: 3)
        var bytes = secret.mutableSpan
        bytes[0] = 7
        bytes[2] = 9
        let read = [secret.span[0], secret.span[1], secret.span[2]]
        #expect(read == [7, 0, 9])
    }

    @Test("filling in place keeps the bytes, and a filler that throws leaves nothing behind")
    func filling() throws {
        struct Refusal: Error {}
        let secret = SecretBytes(count: 4) { bytes in
            for index in bytes.indices { bytes[index] = 5 }
        }
        let first = secret.span[0]
        #expect(first == 5)
        let wiped = SecretArena.status.wipedSecrets
        #expect(throws: Refusal.self) {
            _ = try SecretBytes(count: 4) { (bytes: inout MutableSpan<UInt8>) throws(Refusal) in
                bytes[0] = 5
                throw Refusal()
            }
        }
        #expect(SecretArena.status.wipedSecrets > wiped)
    }

    @Test("a secret is wiped at the end of its life")
    func wiped() {
        let neighbour = SecretBytes(count: 1)
        var secret = SecretBytes(count: 96)
        fill(&secret, with: 0xA5)
        let address = unsafe secret.span.withUnsafeBufferPointer { $0.baseAddress }
        guard let address = unsafe address else {
            Issue.record("a secret has no address")
            return
        }
        let before = unsafe memory(at: address, count: 96)
        #expect(before.allSatisfy { $0 == 0xA5 })
        _ = consume secret
        // The slab stays mapped: it is the arena's first, and the neighbour lives in it.
        let after = unsafe memory(at: address, count: 96)
        #expect(after.allSatisfy { $0 != 0xA5 })
        _ = neighbour.count
    }

    @Test("moving a secret moves its address, not its bytes")
    func moving() {
        var secret = SecretBytes(count: 32)
        fill(&secret, with: 1)
        let before = unsafe secret.span.withUnsafeBufferPointer { $0.baseAddress }
        let moved = consume secret
        let after = unsafe moved.span.withUnsafeBufferPointer { $0.baseAddress }
        let same = unsafe before == after
        #expect(same)
    }

    @Test("many threads take and give back secrets without mixing them up")
    func threads() async {
        let wrong = await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<500 {
                        var secret = SecretBytes(count: 1 + (round * 37 + task) % 300)
                        fill(&secret, with: UInt8(task + 1))
                        for index in secret.span.indices where secret.span[index] != UInt8(task + 1) { wrong += 1 }
                    }
                    return wrong
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }
}

func fill(_ secret: inout SecretBytes, with byte: UInt8) {
    var bytes = secret.mutableSpan
    for index in bytes.indices { bytes[index] = byte }
}

/// Reads memory that may no longer belong to a secret.
@inline(never)
@unsafe func memory(at address: UnsafePointer<UInt8>, count: Int) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: address, count: count))
}
