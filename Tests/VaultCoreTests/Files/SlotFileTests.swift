import Glibc
import Testing

@testable import VaultCore

@Suite("Files that are overwritten in place")
struct SlotFileTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/guard" }

    private func payload() throws -> [UInt8]? { try SlotFile.open(path)?.payload }

    private struct Damaged: Error {}

    private func opened() throws -> SlotFile {
        guard let file = try SlotFile.open(path) else { throw Damaged() }
        return file
    }

    private func make(_ payload: [UInt8], payloadBytes: Int) throws {
        _ = try SlotFile.make(path, payload: payload, payloadBytes: payloadBytes)
    }

    /// Writes `payloads` one after the other.
    private func write(_ payloads: [[UInt8]]) throws {
        var file = try opened()
        for payload in payloads { try file.write(payload) }
    }

    @Test("holds what was written last, over any number of writes and openings")
    func lastWrite() throws {
        try make([1, 2, 3], payloadBytes: 100)
        #expect(try payload() == [1, 2, 3])
        for round in 0..<UInt8(20) {
            try write((0...round % 3).map { [round, $0] })
            #expect(try payload() == [round, round % 3])
        }
        try write([[]])
        #expect(try payload() == [])
    }

    @Test("is its owner's alone, never grows, and stays the same file")
    func inPlace() throws {
        try make([1], payloadBytes: 5_000)
        let (size, number) = (try AtomicFile.size(of: path), inode(of: path))
        #expect(mode(of: path) == 0o600)
        for round in 0..<UInt8(10) { try write([[UInt8](repeating: round, count: 5_000)]) }
        #expect(try AtomicFile.size(of: path) == size)
        #expect(inode(of: path) == number)
        #expect(directory.names == ["guard"])
    }

    @Test("every byte of it is on the disk from the beginning")
    func preallocated() throws {
        try make([1], payloadBytes: 100_000)
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(Int(status.st_blocks) * 512 >= Int(status.st_size))
    }

    @Test("a payload that does not fit is refused, and changes nothing")
    func tooLarge() throws {
        try make([1], payloadBytes: 100)
        var file = try opened()
        let room = file.payloadBytesMax
        try file.write([UInt8](repeating: 1, count: room))
        do throws(FileError) {
            try file.write([UInt8](repeating: 2, count: room + 1))
            Issue.record("it fitted")
        } catch {
            #expect(error.code == EFBIG)
        }
        #expect(try payload() == [UInt8](repeating: 1, count: room))
    }

    @Test("a write torn at any byte leaves the one before")
    func torn() throws {
        try make([0], payloadBytes: 64)
        let old = [UInt8](repeating: 0xAA, count: 60)
        let new = [UInt8](repeating: 0xBB, count: 64)
        try write([[7], old])
        let before = try AtomicFile.read(path)
        try write([new])
        let after = try AtomicFile.read(path)
        let changed = before.indices.filter { before[$0] != after[$0] }
        let (first, last) = (try #require(changed.first), try #require(changed.last))
        for end in first...last {
            VaultCoreTests.write(Array(after[..<end] + before[end...]), to: path)
            #expect(try payload() == old, "torn at \(end)")
        }
        VaultCoreTests.write(after, to: path)
        #expect(try payload() == new)
    }

    @Test("any flipped bit in the newer slot gives the older one; in both, the file is damaged")
    func flipped() throws {
        try make([1], payloadBytes: 20)
        try write([[2, 2], [3, 3, 3]])
        let bytes = try AtomicFile.read(path)
        let slot = bytes.count / 2
        // Generation 3 lies in slot 1, generation 2 in slot 0.
        for index in slot..<slot + SlotFile.headerBytes + 3 {
            for bit in 0..<UInt8(8) {
                var damaged = bytes
                damaged[index] ^= 1 << bit
                VaultCoreTests.write(damaged, to: path)
                #expect(try payload() == [2, 2])
                damaged[index - slot] ^= 1 << bit
                // The bytes after the older slot's payload mean nothing.
                if index - slot < SlotFile.headerBytes + 2 {
                    VaultCoreTests.write(damaged, to: path)
                    #expect(try payload() == nil)
                }
            }
        }
    }

    @Test("a slot copied over the other one is not taken for it")
    func copied() throws {
        try make([1], payloadBytes: 20)
        try write([[2]])
        let bytes = try AtomicFile.read(path)
        let slot = bytes.count / 2
        VaultCoreTests.write(Array(bytes[slot...] + bytes[slot...]), to: path)
        #expect(try payload() == [1])
        VaultCoreTests.write(Array(bytes[slot...] + bytes[..<slot]), to: path)
        #expect(try payload() == nil)
    }

    @Test("files of a wrong size, empty ones and others' files are damaged", arguments: [0, 1, 56, 112, 8_191, 8_193])
    func sizes(count: Int) throws {
        VaultCoreTests.write([UInt8](repeating: 0x53, count: count), to: path)
        #expect(try payload() == nil)
    }

    @Test("a replacement with more room goes on counting")
    func replacement() throws {
        try make([1], payloadBytes: 20)
        try write([[2], [3]])
        let generation = try opened().generation
        _ = try SlotFile.make(path, payload: [4], payloadBytes: 50_000, after: generation)
        let file = try opened()
        #expect(file.payload == [4])
        #expect(file.generation == generation + 1)
        #expect(file.payloadBytesMax >= 50_000)
    }

    @Test("what is not there is missing, and a link is not followed")
    func missing() throws {
        do throws(FileError) {
            _ = try SlotFile.open(path)
            Issue.record("opened")
        } catch {
            #expect(error.isMissing)
        }
        try make([1], payloadBytes: 20)
        #expect(unsafe symlink(path, directory.path + "/link") == 0)
        do throws(FileError) {
            _ = try SlotFile.open(directory.path + "/link")
            Issue.record("opened")
        } catch {
            #expect(error.code == ELOOP)
        }
    }
}
