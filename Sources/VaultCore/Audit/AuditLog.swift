internal import OpenSSLCrypto

/// Writes the audit log: links each record to the one before under the audit key, grows the tree over them, turns
/// segments over, and signs checkpoints. One thread.
///
/// `append` writes and `flush` makes durable; a group that fails in either is taken back whole, so that what is on disk is
/// what was acknowledged, and the next record follows on from there.
package final class AuditLog {
    /// Sizes and times that decide when a file is full.
    package struct Settings: Sendable {
        /// A segment of more bytes takes no further group.
        package var segmentBytes = 64 << 20
        /// Nor does one that was begun more seconds ago.
        package var segmentSeconds: UInt64 = 24 * 3600
        /// Room kept free behind the end of the log for records that must be written on a full disk.
        package var reserveBytes = 1 << 20

        package init() {}
    }

    /// A moment: Unix seconds, and the same with milliseconds as the log writes it.
    package struct Moment: Sendable {
        package let seconds: UInt64
        package let text: String

        package init(seconds: UInt64, text: String) {
            self.seconds = seconds
            self.text = text
        }
    }

    /// What is written: the place in the log, the tree, and the file with its size.
    struct State {
        var head: AuditHead
        var frontier: MerkleFrontier
        var file: AppendFile
        var bytes: Int
        /// First sequence number of the segment, and when it was begun.
        var segment: UInt64
        var begun: UInt64
        /// Version of the key that the last record went under.
        var chain: UInt32
    }

    package let directory: AuditDirectory
    /// Names the log in its checkpoints.
    package let origin: String
    package var settings: Settings
    private let vaultID: String
    private let boot: String
    private var keys: [UInt32: AuditKey]
    /// Version that records are to go under.
    private var target: UInt32

    /// Flushed.
    var durable: State
    /// Written.
    private var written: State
    /// The disk may hold more than `durable` says, and it could not be taken back.
    private var mustRepair = false
    private var buffer: [UInt8] = []

    /// Takes over what `AuditLog.open` found.
    init(
        directory: AuditDirectory, vaultID: String, boot: String, keys: [AuditKey], settings: Settings, state: State
    ) {
        precondition(!keys.isEmpty, "a log has a key")
        self.directory = directory
        self.vaultID = vaultID
        origin = Self.origin(vaultID)
        self.boot = boot
        self.settings = settings
        self.keys = Dictionary(keys.map { ($0.version, $0) }) { first, _ in first }
        target = keys[0].version
        durable = state
        written = state
    }

    static func origin(_ vaultID: String) -> String { "strongroom.\(vaultID)" }

    /// The last record that is surely on disk.
    package var head: AuditHead { durable.head }

    /// Name of the segment being written.
    package var segmentName: String { AuditDirectory.name(durable.segment) }

    // MARK: Records

    /// Writes records as one group and gives their sequence numbers; they are durable after `flush`. On failure none is
    /// there.
    ///
    /// - Parameter isReserved: whether the group may use the room kept for what must be written on a full disk.
    package func append(
        _ entries: [AuditEntry], isReserved: Bool = false, at now: Moment
    ) throws(AuditFailure) -> ClosedRange<UInt64> {
        try repair()
        let before = written
        // Taken out of the log for the length of the call.
        var lines: [UInt8] = []
        swap(&lines, &buffer)
        defer { swap(&lines, &buffer) }
        lines.removeAll(keepingCapacity: true)
        do throws(AuditFailure) {
            if isSegmentFull(now) { try flush() }
            var state = written
            if isSegmentFull(now) { try beginSegment(&state, &lines, at: now) }
            try switchKey(&state, &lines, at: now)
            let first = state.head.sequence + 1
            for entry in entries { try seal(entry, &state, &lines, at: now) }
            try write(lines, &state, isReserved: isReserved)
            written = state
            return first...state.head.sequence
        } catch {
            takeBack(to: before)
            throw error
        }
    }

    /// Makes everything written durable. On failure what was not flushed before is taken back.
    package func flush() throws(AuditFailure) {
        guard written.head != durable.head || written.bytes != durable.bytes else { return }
        do throws(FileError) {
            try written.file.sync()
            if written.segment != durable.segment {
                try AtomicFile.syncDirectory(of: written.file.path)
                // The room kept behind the old end is given back.
                try? durable.file.truncate(to: durable.bytes)
            }
        } catch {
            takeBack(to: durable)
            // The kernel forgets a failed flush: only one that succeeds says that the disk is well.
            mustRepair = true
            throw .file(error)
        }
        durable = written
    }

    /// Whether something is written and not flushed.
    package var needsFlush: Bool { written.head != durable.head }

    /// Puts a new set of keys in force, the active one first: a record under the old key announces the new one.
    package func adopt(_ newKeys: [AuditKey]) {
        guard let active = newKeys.first else { return }
        keys = Dictionary(newKeys.map { ($0.version, $0) }) { first, _ in first }
        target = active.version
    }

    /// Appends one line, and its place to the state.
    private func seal(
        _ entry: AuditEntry, _ state: inout State, _ lines: inout [UInt8], at now: Moment
    ) throws(AuditFailure) {
        guard let key = keys[state.chain] else { throw .broken("the key of chain \(state.chain) is gone") }
        let start = lines.count
        state.head.sequence += 1
        lines.append(ascii: "{\"seq\":")
        lines.append(decimal: state.head.sequence)
        lines.append(ascii: ",\"time\":\"")
        lines.append(contentsOf: now.text.utf8)
        lines.append(ascii: "\",\"boot\":\"")
        lines.append(contentsOf: boot.utf8)
        lines.append(ascii: "\",")
        lines.append(contentsOf: entry.bytes)
        AuditSeal.appendPrevious(chain: state.chain, previous: state.head.link, to: &lines)
        try key.link(lines.span.extracting(start..<lines.count), into: &state.head.link)
        AuditSeal.appendLink(state.head.link, to: &lines)
        do throws(CryptoError) {
            try state.frontier.append(
                leafHash: try MerkleHash.leaf(lines.span.extracting(start..<lines.count)))
        } catch {
            throw .crypto
        }
        lines.append(0x0A)
    }

    private func write(_ lines: [UInt8], _ state: inout State, isReserved: Bool) throws(AuditFailure) {
        do throws(FileError) {
            if !isReserved { try state.file.reserve(lines.count + settings.reserveBytes) }
            try state.file.append(lines.span)
        } catch {
            throw .file(error)
        }
        state.bytes = state.file.size
    }

    /// Announces the key that is to follow, under the one in use.
    private func switchKey(_ state: inout State, _ lines: inout [UInt8], at now: Moment) throws(AuditFailure) {
        guard state.chain != target, let next = keys[target] else { return }
        if keys[state.chain] != nil {
            var entry = AuditEntry(.auditKey)
            let verifier = try next.verifierKey(origin: origin)
            entry.add("version", UInt64(target))
            entry.add("public", verbatim: verifier.text)
            try seal(entry, &state, &lines, at: now)
        }
        state.chain = target
        try publish(next)
    }

    // MARK: Segments

    private func isSegmentFull(_ now: Moment) -> Bool {
        written.bytes >= settings.segmentBytes || now.seconds >= written.begun + settings.segmentSeconds
    }

    /// Begins a file, and with it the record that says what went before. Where the disk has no room for it the old one
    /// goes on.
    private func beginSegment(
        _ state: inout State, _ lines: inout [UInt8], at now: Moment
    ) throws(AuditFailure) {
        let first = state.head.sequence + 1
        do throws(FileError) {
            let file = try AppendFile(directory.segment(first), isNew: true)
            try file.reserve(settings.reserveBytes)
            state.file = file
        } catch {
            Self.remove(directory.segment(first))
            guard error.isNoRoom else { throw .file(error) }
            // Tried again when the next age or size is reached.
            state.begun = now.seconds
            return
        }
        let previous = AuditDirectory.name(state.segment)
        state.segment = first
        state.begun = now.seconds
        state.bytes = 0
        try seal(Self.segmentEntry(previous: previous, state.frontier, vaultID: nil), &state, &lines, at: now)
    }

    static func segmentEntry(previous: String, _ frontier: MerkleFrontier, vaultID: String?) -> AuditEntry {
        var entry = AuditEntry(.segment)
        entry.add("previous", verbatim: previous)
        entry.add("tree", hashes: frontier.hashes)
        if let vaultID { entry.add("vault", verbatim: vaultID) }
        return entry
    }

    // MARK: Failures

    /// Gives up what was written since a state; where the disk refuses even that, the next record tries it again.
    private func takeBack(to state: State) {
        // A file begun since then holds nothing that was acknowledged.
        for first in [written.segment, state.head.sequence + 1] where first != state.segment {
            Self.remove(directory.segment(first))
        }
        written = state
        do throws(FileError) {
            try state.file.truncate(to: state.bytes)
        } catch {
            mustRepair = true
        }
    }

    /// After a failure: what is not acknowledged is off the disk before anything follows it.
    private func repair() throws(AuditFailure) {
        guard mustRepair else { return }
        written = durable
        do throws(FileError) {
            try durable.file.truncate(to: durable.bytes)
            try durable.file.sync()
        } catch {
            throw .file(error)
        }
        mustRepair = false
    }

    // MARK: Checkpoints

    /// Signs the flushed log as it is now and adds the note to the checkpoints.
    package func checkpoint() throws(AuditFailure) -> (note: String, head: AuditHead) {
        guard let key = keys[durable.chain] else { throw .broken("the key of chain \(durable.chain) is gone") }
        let root: [UInt8]
        do throws(CryptoError) {
            root = try durable.frontier.root()
        } catch {
            throw .crypto
        }
        // Under every key that is still here, the one in use first: who knows an older one learns of the new one by it.
        let checkpoint = Checkpoint(origin: origin, size: durable.head.sequence, root: root)
        let others = keys.values.filter { $0.version != durable.chain }.sorted { $0.version > $1.version }
        let note = try key.sign(checkpoint, with: others)
        do throws(FileError) {
            let file = try AppendFile(directory.checkpoints, isNew: false)
            let size = file.size
            do throws(FileError) {
                try file.append(Array((note + "\n").utf8).span)
                try file.sync()
            } catch {
                try? file.truncate(to: size)
                throw error
            }
        } catch {
            throw .file(error)
        }
        return (note, durable.head)
    }

    /// Adds a key to the file of verifier keys, once.
    func publish(_ key: AuditKey) throws(AuditFailure) {
        let line = try key.verifierKey(origin: origin).text + "\n"
        do throws(FileError) {
            let known = try Self.text(of: directory.verifierKeys)
            guard !known.split(separator: "\n").contains(line.dropLast()) else { return }
            let file = try AppendFile(directory.verifierKeys, isNew: false)
            try file.append(Array(line.utf8).span)
            try file.sync()
            try AtomicFile.syncDirectory(of: directory.verifierKeys)
        } catch {
            throw .file(error)
        }
    }

    private static func text(of path: String) throws(FileError) -> String {
        do throws(FileError) {
            return String(decoding: try AtomicFile.read(path), as: UTF8.self)
        } catch {
            if error.isMissing { return "" }
            throw error
        }
    }
}
