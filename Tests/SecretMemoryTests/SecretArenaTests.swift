import Foundation
import SecretMemory
import Testing

@Suite("secret arena")
struct SecretArenaTests {
    @Test("every page of the arena is locked, left out of dumps and wiped in children, as the kernel reports it")
    func kernelFlags() throws {
        let small = SecretBytes(count: 32)
        let large = SecretBytes(count: 200_000)
        for address in [address(of: small), address(of: large)] {
            let mapping = try #require(try Mapping.containing(address))
            #expect(mapping.flags.contains("lo"), "not locked: \(mapping.flags)")
            #expect(mapping.flags.contains("dd"), "in core dumps: \(mapping.flags)")
            #expect(mapping.flags.contains("wf"), "kept on fork: \(mapping.flags)")
            #expect(mapping.permissions == "rw-p")
        }
        let status = SecretArena.status
        #expect(status.shieldedBytes == status.mappedBytes)
        #expect(SecretArena.isFullyLocked)
        _ = (small.count, large.count)
    }

    @Test("both neighbours of a slab are guard pages that nothing can touch")
    func guards() throws {
        let secret = SecretBytes(count: 200_000)
        let mapping = try #require(try Mapping.containing(address(of: secret)))
        let below = try #require(try Mapping.containing(mapping.range.lowerBound - 1))
        let above = try #require(try Mapping.containing(mapping.range.upperBound))
        #expect(below.permissions == "---p")
        #expect(above.permissions == "---p")
        _ = secret.count
    }

    @Test("a read just past the slab of a secret stops the process")
    func overrun() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let secret = SecretBytes(count: 200_000)
            let mapping = try Mapping.containing(address(of: secret))
            guard let end = mapping?.range.upperBound, let past = unsafe UnsafePointer<UInt8>(bitPattern: end) else {
                exit(0)
            }
            print(unsafe past.pointee, secret.count)
            exit(0)
        }
    }

    @Test("a write past a secret is noticed when it ends")
    func overwrite() async {
        await #expect(processExitsWith: .failure) {
            var secret = SecretBytes(count: 33)
            var bytes = secret.mutableSpan
            unsafe bytes.withUnsafeMutableBufferPointer { $0.baseAddress?[33] = 1 }
            _ = consume secret
            exit(0)
        }
    }

    @Test("a write to a secret after its end is noticed when the memory is used again")
    func writeAfterEnd() async {
        await #expect(processExitsWith: .failure) {
            let secret = SecretBytes(count: 32)
            let start = address(of: secret)
            _ = consume secret
            unsafe UnsafeMutablePointer<UInt8>(bitPattern: start)?.pointee = 1
            _ = SecretBytes(count: 32)
            exit(0)
        }
    }

    @Test("a negative size stops the process")
    func negative() async {
        await #expect(processExitsWith: .failure) {
            _ = SecretBytes(count: -1)
            exit(0)
        }
    }

    @Test("without the right to lock memory, secrets work and the arena says that it is not locked")
    func unlockable() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            unsafe setrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &none)
            // The superuser may lock beyond the limit; nobody may not.
            if getuid() == 0 && setuid(65_534) != 0 { exit(1) }
            let secret = SecretBytes(count: 32)
            let works = secret.count == 32 && secret.span[31] == 0
            let status = SecretArena.status
            exit(works && !SecretArena.isFullyLocked && status.lockedBytes == 0 && status.mappedBytes > 0 ? 0 : 2)
        }
    }

    @Test("a small secret never keeps the slab of a large one mapped")
    func exclusiveSlabs() async {
        await #expect(processExitsWith: .exitCode(0)) {
            // 100,000 bytes leave room for small secrets in the last page.
            let large = SecretBytes(count: 100_000)
            let small = SecretBytes(count: 32)
            if SecretArena.status.mappedBytes <= SecretArena.slabBytes + large.count { exit(2) }
            _ = consume large
            exit(SecretArena.status.mappedBytes == SecretArena.slabBytes && small.count == 32 ? 0 : 3)
        }
    }

    @Test("the totals return to where they were when secrets end, and large slabs are unmapped")
    func totals() async {
        // In a process of its own, where no other test takes secrets.
        await #expect(processExitsWith: .exitCode(0)) {
            func round() {
                let one = SecretBytes(count: 1)
                let two = SecretBytes(count: 64)
                let three = SecretBytes(count: 65)
                let large = SecretBytes(count: 1_000_000)
                let status = SecretArena.status
                if status.liveSecrets != 4 || status.usedBytes != 64 + 64 + 128 + 1_000_000 { exit(2) }
                _ = (one.count, two.count, three.count, large.count)
            }
            round()
            let first = SecretArena.status
            if first.liveSecrets != 0 || first.usedBytes != 0 || first.mappedBytes != SecretArena.slabBytes { exit(3) }
            for _ in 0..<100 { round() }
            let last = SecretArena.status
            exit(last.mappedBytes == first.mappedBytes && last.wipedSecrets == 404 && last.liveSecrets == 0 ? 0 : 4)
        }
    }
}

/// Where a secret is, as a number.
func address(of secret: borrowing SecretBytes) -> Int {
    unsafe secret.span.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) }
}

/// One entry of /proc/self/smaps.
struct Mapping {
    var range: Range<Int>
    var permissions: String
    var flags: Set<String> = []

    static func containing(_ address: Int) throws -> Mapping? {
        var found: Mapping?
        // Not String(contentsOfFile:), which reads a file of /proc only in part.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let text = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words[0] == "VmFlags:" {
                found?.flags = Set(words.dropFirst().map(String.init))
                if let found, found.range.contains(address) { return found }
            } else if !words[0].hasSuffix(":") {
                let ends = words[0].split(separator: "-").compactMap { Int($0, radix: 16) }
                // The kernel's own page at the top of the address space is no positive number.
                found = ends.count == 2 ? Mapping(range: ends[0]..<ends[1], permissions: String(words[1])) : nil
            }
        }
        return nil
    }
}
