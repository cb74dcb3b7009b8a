import Foundation
import SecretMemory
import Testing

/// Looks for secrets in all of the memory of a process, as a dump of it would show them.
@Suite("residue")
struct ResidueTests {
    @Test("a secret is in memory once while it lives, also after a move, and nowhere after its end")
    func secretBytes() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var secret = SecretBytes(count: Marker.bytes)
            var bytes = secret.mutableSpan
            for index in bytes.indices { bytes[index] = Marker.byte(index) }
            let moved = consume secret
            if try Marker.copies() != 1 { exit(2) }
            if moved.count != Marker.bytes { exit(3) }
            _ = consume moved
            exit(try Marker.copies() == 0 ? 0 : 4)
        }
    }

    @Test("a wiped array leaves no copy behind when it grows and when it is cut")
    func wipedArray() async {
        await #expect(processExitsWith: .exitCode(0)) {
            // Deep inside of a block, where the allocator does not write when it takes the block back.
            let before = 50_000
            var array = WipedArray<UInt8>(capacity: before + 1_000)
            for _ in 0..<before { array.append(0) }
            for index in 0..<Marker.bytes { array.append(Marker.byte(index)) }
            for size in [70_000, 100_000] {
                array.reserveCapacity(size)
                if try Marker.copies() != 1 { exit(2) }
            }
            array.truncate(to: before)
            if try Marker.copies() != 0 { exit(3) }
            exit(array.count == before ? 0 : 4)
        }
    }

    @Test("a wiped array leaves no copy behind when it ends")
    func wipedArrayEnd() async {
        await #expect(processExitsWith: .exitCode(0)) {
            // Small enough for the allocator to set the block aside as it is instead of giving it back to the system.
            var array = WipedArray<UInt8>(capacity: 1_000)
            for _ in 0..<500 { array.append(0) }
            for index in 0..<Marker.bytes { array.append(Marker.byte(index)) }
            if try Marker.copies() != 1 { exit(2) }
            _ = consume array
            exit(try Marker.copies() == 0 ? 0 : 3)
        }
    }

    @Test("the search itself finds every copy in ordinary memory")
    func searchCanFail() async {
        await #expect(processExitsWith: .exitCode(0)) {
            if try Marker.copies() != 0 { exit(2) }
            // Back to back over more than one window of the search, so that some copies lie across its edges.
            let many = 2000
            let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: many * Marker.bytes)
            for index in 0..<(many * Marker.bytes) { unsafe buffer[index] = Marker.byte(index % Marker.bytes) }
            let found = try Marker.copies()
            unsafe buffer.deallocate()
            exit(found == many ? 0 : 3)
        }
    }
}

/// A byte string that exists in memory only where a test puts it: it is computed one byte at a time.
private enum Marker {
    static let bytes = 96

    static func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (index &+ 3) &* (index &+ 3) &* 197 &+ index &* 89 &+ 61)
    }

    /// How many copies there are in all writable memory of this process.
    static func copies() throws -> Int {
        let maps = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
        let text = String(decoding: try #require(try maps.readToEnd()), as: UTF8.self)
        let memory = unsafe open("/proc/self/mem", O_RDONLY)
        defer { close(memory) }
        var window = [UInt8](repeating: 0, count: 1 << 16)
        var found = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words[1].hasPrefix("rw") else { continue }
            let ends = words[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            // Windows overlap, so that a copy across an edge is seen, and seen once.
            for start in stride(from: ends[0], to: ends[1], by: window.count - bytes + 1) {
                let wanted = min(window.count, ends[1] - start)
                let read = unsafe window.withUnsafeMutableBytes { buffer in
                    unsafe pread(memory, buffer.baseAddress, wanted, off_t(start))
                }
                guard read >= bytes else { continue }
                found += copies(in: window.span.extracting(0..<read))
                // The window must not be found as a copy.
                var used = window.mutableSpan
                wipe(&used)
            }
        }
        return found
    }

    private static func copies(in window: Span<UInt8>) -> Int {
        unsafe window.withUnsafeBytes { window in
            var found = 0
            var start = 0
            // Safe: every address is inside the window.
            while start <= window.count - bytes, let base = window.baseAddress,
                let hit = unsafe memchr(base + start, CInt(byte(0)), window.count - bytes + 1 - start)
            {
                start = unsafe UnsafeRawPointer(hit) - base
                var index = 1
                while index < bytes, unsafe window[start + index] == byte(index) { index += 1 }
                if index == bytes { found += 1 }
                start += 1
            }
            return found
        }
    }
}
