internal import Glibc
internal import Synchronization
internal import VaultCore

/// `guard` in the data directory: what is frozen, and what limits have counted. Overwritten in place, so that a freeze can
/// be stored on a full disk. Any thread; its calls wait for the disk.
final class GuardFile: Sendable {
    /// More than any number of clients fills.
    private static let payloadBytesMax = 16 << 20

    private let path: String
    private let file: Mutex<Opened>

    fileprivate struct Opened: ~Copyable {
        private var file: SlotFile?
        /// Bytes of a payload; nil where there is no file.
        private(set) var room: Int?
        private(set) var generation: UInt64 = 0

        init() {}

        init(_ file: consuming SlotFile) {
            room = file.payloadBytesMax
            generation = file.generation
            self.file = consume file
        }

        mutating func write(_ payload: [UInt8]) throws(FileError) {
            try file?.write(payload)
            generation += 1
        }
    }

    /// What opening found.
    enum Found {
        case state(GuardState)
        /// There was none: a first start, or a vault of an earlier version.
        case none
        /// Why it cannot be told what was frozen.
        case damaged(String)
    }

    let found: Found

    init(path: String) {
        self.path = path
        do throws(FileError) {
            guard let opened = try SlotFile.open(path) else {
                file = Mutex(Opened())
                found = .damaged("\(path): neither of its two copies is whole")
                return
            }
            found = Self.decode(opened.payload, path)
            file = Mutex(Opened(opened))
        } catch {
            file = Mutex(Opened())
            found = error.isMissing ? .none : .damaged(error.message)
        }
    }

    private static func decode(_ payload: [UInt8], _ path: String) -> Found {
        do throws(StateDamaged) {
            return .state(try GuardState(decoding: payload[...]))
        } catch {
            return .damaged("\(path): what it holds is of another version, or damaged")
        }
    }

    /// Sees to it that so many clients have room. Without free space on the disk the file stays as it is.
    func reserve(clients: Int, _ encode: (Int) -> [UInt8]?) {
        file.withLock { opened in
            let bytes = GuardState.bytes(clients: clients)
            if let room = opened.room, room >= bytes { return }
            _ = try? Self.remake(&opened, path, payloadBytes: bytes, encode)
        }
    }

    /// Stores what `encode` gives for a number of bytes; durable when this returns. `twice` puts it into both copies, so
    /// that damage to either does not bring back what was before.
    func save(twice: Bool, _ encode: (Int) -> [UInt8]?) throws(FileError) {
        let failure = file.withLock { opened -> FileError? in
            do throws(FileError) {
                guard let room = opened.room, let payload = encode(room) else {
                    // It is not there, or too small for the freezes alone.
                    try Self.remake(&opened, path, payloadBytes: GuardState.bytes(clients: 0), encode)
                    return nil
                }
                for _ in 0..<(twice ? 2 : 1) { try opened.write(payload) }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    private static func remake(
        _ opened: inout Opened, _ path: String, payloadBytes: Int, _ encode: (Int) -> [UInt8]?
    ) throws(FileError) {
        guard let payload = encode(payloadBytesMax) else {
            throw FileError(operation: "size", path: path, code: EFBIG)
        }
        let bytes = max(payloadBytes, 2 * payload.count)
        opened = Opened(
            try SlotFile.make(path, payload: payload, payloadBytes: bytes, after: opened.generation))
        // The other copy of a new file is empty.
        try opened.write(payload)
    }
}
