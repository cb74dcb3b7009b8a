import Glibc
import Testing

@testable import LMDB

@Suite("Meta pages")
struct MetaPageTests {
    /// A data file as it lies on disk after a few commits.
    private func image() throws -> [UInt8] {
        let directory = TemporaryDirectory()
        do {
            let store = try Store(mapBytes: 1 << 20, directory: directory)
            for _ in 0..<3 { try store.fill(200) }
        }
        return try bytes(of: directory.path + "/data.mdb")
    }

    private func bytes(of path: String) throws -> [UInt8] {
        let file = unsafe open(path, O_RDONLY)
        try #require(file >= 0)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
        return Array(bytes[0..<max(0, count)])
    }

    private func put(_ bytes: [UInt8], in directory: TemporaryDirectory) {
        let file = unsafe open(directory.path + "/data.mdb", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let written = unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
        precondition(written == bytes.count, "a test file was not written")
        close(file)
    }

    @Test("every flipped bit of the page size, on either page, is refused, where LMDB would divide by it")
    func pageSize() throws {
        let image = try image()
        for page in [0, 4096] {
            for bit in 0..<32 {
                var damaged = image
                damaged[page + 40 + bit / 8] ^= 1 << UInt8(bit % 8)
                let directory = TemporaryDirectory()
                put(damaged, in: directory)
                #expect(
                    kind { () throws(LMDBError) in _ = try Environment(path: directory.path, mapBytes: 1 << 20) }
                        == .corrupted)
            }
        }
        let directory = TemporaryDirectory()
        put(image, in: directory)
        #expect(kind { () throws(LMDBError) in _ = try Environment(path: directory.path, mapBytes: 1 << 20) } == nil)
    }

    @Test("flipped bits in the first 168 bytes of either page open to an error or a store, never to a crash")
    func everyBit() async {
        await #expect(processExitsWith: .success) {
            let suite = MetaPageTests()
            let image = try suite.image()
            var refused = 0
            for position in stride(from: 0, to: 336 * 8, by: 3) {
                let offset = (position / 8) % 168 + (position / 8) / 168 * 4096
                var damaged = image
                damaged[offset] ^= 1 << UInt8(position % 8)
                let directory = TemporaryDirectory()
                suite.put(damaged, in: directory)
                let failure = failure { () throws(LMDBError) in
                    let environment = try Environment(path: directory.path, mapBytes: 1 << 20)
                    var reader = try Reader(environment)
                    _ = try reader.withSnapshot { (snapshot) throws(LMDBError) in snapshot.transactionNumber }
                }
                if failure != nil { refused += 1 }
            }
            // A third of page size, magic number and version on both pages, at the least.
            #expect(refused >= 2 * 32)
        }
    }

    @Test("an empty or missing file is a new store, and a short one is left to LMDB to refuse")
    func newFiles() throws {
        let missing = TemporaryDirectory()
        #expect(kind { () throws(LMDBError) in _ = try Environment(path: missing.path, mapBytes: 1 << 20) } == nil)
        let empty = TemporaryDirectory()
        put([], in: empty)
        #expect(kind { () throws(LMDBError) in _ = try Environment(path: empty.path, mapBytes: 1 << 20) } == nil)
        let short = TemporaryDirectory()
        put([UInt8](repeating: 1, count: 43), in: short)
        #expect(kind { () throws(LMDBError) in _ = try Environment(path: short.path, mapBytes: 1 << 20) } != nil)
    }

    @Test("powers of two from 512 to 65,536 are page sizes, and nothing else is")
    func sizes() {
        #expect(
            (0...200_000).filter { MetaPages.isPageSize(UInt32($0)) } == [
                512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536,
            ])
    }
}
