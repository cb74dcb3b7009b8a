import SecretMemory
import Testing

@Suite("wiped array")
struct WipedArrayTests {
    @Test("elements come back in the order they were added, across growth")
    func order() {
        var numbers = WipedArray<UInt32>()
        for number in 0..<1000 { numbers.append(UInt32(number)) }
        let wrong = numbers.span.indices.count { numbers[$0] != UInt32($0) }
        #expect(wrong == 0)
        expect(numbers.count == 1000)
        expect(numbers.capacity >= 1000)
    }

    @Test("whole spans are added, and changed in place")
    func spans() {
        var bytes = WipedArray<UInt8>(capacity: 3)
        let digits: [UInt8] = [1, 2, 3, 4, 5]
        bytes.append(contentsOf: digits.span)
        bytes.append(contentsOf: digits.span)
        bytes.append(contentsOf: Span())
        var span = bytes.mutableSpan
        span[9] = 9
        bytes[0] = 7
        let all = (0..<bytes.count).map { bytes[$0] }
        #expect(all == [7, 2, 3, 4, 5, 1, 2, 3, 4, 9])
    }

    @Test("an empty array has empty spans")
    func empty() {
        var bytes = WipedArray<UInt8>()
        expect(bytes.span.isEmpty)
        let writable = bytes.mutableSpan.count
        #expect(writable == 0)
        expect(bytes.isEmpty)
        bytes.removeAll()
        expect(bytes.capacity == 0)
    }

    @Test("removing all elements wipes them and keeps the room")
    func removing() throws {
        var bytes = WipedArray<UInt8>(capacity: 128)
        for _ in 0..<100 { bytes.append(0xA5) }
        let address = unsafe bytes.span.withUnsafeBufferPointer { $0.baseAddress }
        let start = try unsafe #require(address)
        bytes.truncate(to: 60)
        let cut = unsafe memory(at: start, count: 128)
        #expect(cut.prefix(60).allSatisfy { $0 == 0xA5 })
        #expect(cut[60..<100].allSatisfy { $0 == 0 })
        bytes.removeAll()
        let gone = unsafe memory(at: start, count: 100)
        #expect(gone.allSatisfy { $0 == 0 })
        expect(bytes.capacity == 128)
        expect(bytes.count == 0)
    }

    @Test("an index out of range stops the process")
    func outOfRange() async {
        await #expect(processExitsWith: .failure) {
            var bytes = WipedArray<UInt8>(capacity: 10)
            bytes.append(1)
            print(bytes[1])
        }
    }
}
