internal import Glibc
internal import OpenSSLCrypto

/// A small file that is overwritten in place: two slots of fixed size, written in turns, so that a write needs no free
/// space on the disk and a crash in the middle of one leaves the other. For what has to be stored when all else fails.
///
/// ```
///  slot: 0  8  magic "SRSLOTS1"
///        8  8  generation, 1 and up; generation n lies in slot n modulo 2
///       16  4  bytes of the payload
///       20  4  bytes of a slot
///       24 32  SHA-256 of the 24 bytes before and the payload
///       56     payload, then what was there before
/// ```
/// The newest slot whose sum is right is what the file holds. The sum is against faults, not against forgers. File
/// systems that never write in place (btrfs, ZFS) need free space all the same. One thread at a time.
package struct SlotFile: ~Copyable, Sendable {
    package static let headerBytes = 56
    private static let magic: StaticString = "SRSLOTS1"
    private static let slotBytesLimit = 64 << 20

    package let path: String
    private let file: Descriptor
    private let slotBytes: Int
    /// Of the newest slot; a replacement goes on from it.
    package private(set) var generation: UInt64
    /// What the file holds.
    package private(set) var payload: [UInt8]

    /// Bytes that a payload may have.
    package var payloadBytesMax: Int { slotBytes - Self.headerBytes }

    private init(path: String, file: consuming Descriptor, slotBytes: Int, generation: UInt64, payload: [UInt8]) {
        self.path = path
        self.file = file
        self.slotBytes = slotBytes
        self.generation = generation
        self.payload = payload
    }

    /// Makes the file, or replaces it whole, with room for payloads of `payloadBytes` at least, holding `payload`.
    ///
    /// Every byte is written now, so that the disk has a place for it.
    package static func make(
        _ path: String, payload: [UInt8], payloadBytes: Int, after generation: UInt64 = 0
    ) throws(FileError) -> SlotFile {
        let block = 4096
        let needed = max(payloadBytes, payload.count) + headerBytes
        let slotBytes = (needed + block - 1) / block * block
        guard slotBytes <= slotBytesLimit else { throw FileError(operation: "size", path: path, code: EFBIG) }
        let next = generation + 1
        var bytes = [UInt8](repeating: 0, count: 2 * slotBytes)
        let slot = try encode(payload, generation: next, slotBytes: slotBytes, path: path)
        bytes.replaceSubrange(offset(next, slotBytes)..<offset(next, slotBytes) + slot.count, with: slot)
        try AtomicFile.replace(path, with: bytes)
        let file = try Descriptor.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        return SlotFile(path: path, file: file, slotBytes: slotBytes, generation: next, payload: payload)
    }

    /// Opens the file; nil where neither slot is whole.
    package static func open(_ path: String) throws(FileError) -> SlotFile? {
        let file = try Descriptor.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        let size = Int(try file.status().st_size)
        guard size % 2 == 0, size / 2 > headerBytes, size / 2 <= slotBytesLimit else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        var span = bytes.mutableSpan
        guard try file.readAll(into: &span) == size else { return nil }
        let slotBytes = size / 2
        let slots = [0, 1].compactMap { decode(bytes[$0 * slotBytes..<($0 + 1) * slotBytes], index: UInt64($0)) }
        guard let newest = slots.max(by: { $0.generation < $1.generation }) else { return nil }
        return SlotFile(
            path: path, file: file, slotBytes: slotBytes, generation: newest.generation, payload: newest.payload)
    }

    /// Overwrites the older slot; durable when this returns. A failure leaves the newer slot as it was, and the next
    /// write tries the same slot again.
    package mutating func write(_ payload: [UInt8]) throws(FileError) {
        let next = generation + 1
        let slot = try Self.encode(payload, generation: next, slotBytes: slotBytes, path: path)
        try file.writeAll(slot, at: Self.offset(next, slotBytes))
        try file.syncData()
        generation = next
        self.payload = payload
    }

    private static func offset(_ generation: UInt64, _ slotBytes: Int) -> Int { Int(generation % 2) * slotBytes }

    private static func encode(
        _ payload: [UInt8], generation: UInt64, slotBytes: Int, path: String
    ) throws(FileError) -> [UInt8] {
        guard payload.count <= slotBytes - headerBytes else {
            throw FileError(operation: "size", path: path, code: EFBIG)
        }
        var head = [UInt8](magic)
        head.append(bigEndian: generation)
        head.append(bigEndian: UInt32(payload.count))
        head.append(bigEndian: UInt32(slotBytes))
        guard let sum = digest(head, payload) else { throw FileError(operation: "hash", path: path, code: EIO) }
        return head + sum + payload
    }

    private static func decode(
        _ slot: ArraySlice<UInt8>, index: UInt64
    ) -> (generation: UInt64, payload: [UInt8])? {
        let bytes = Array(slot)
        let head = Array(bytes[0..<24])
        guard head.starts(with: [UInt8](magic)) else { return nil }
        let generation = UInt64(bigEndian: head.span, at: 8)
        let count = Int(UInt32(bigEndian: head.span, at: 16))
        guard generation % 2 == index, Int(UInt32(bigEndian: head.span, at: 20)) == bytes.count,
            count <= bytes.count - headerBytes
        else { return nil }
        let payload = Array(bytes[headerBytes..<headerBytes + count])
        guard let sum = digest(head, payload), bytes[24..<headerBytes].elementsEqual(sum) else { return nil }
        return (generation, payload)
    }

    private static func digest(_ head: [UInt8], _ payload: [UInt8]) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        do throws(CryptoError) {
            try sha256((head + payload).span, into: &output)
        } catch {
            return nil
        }
        return digest
    }
}
