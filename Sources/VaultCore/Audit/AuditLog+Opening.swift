internal import Glibc
internal import OpenSSLCrypto

// Finding out where the log ends. Nothing is added to a log that is not the one the vault wrote: an operator has to say
// so first.
extension AuditLog {
    /// What a log is opened with.
    package struct Opening {
        package var directory: AuditDirectory
        package var vaultID: String
        /// Kernel boot id, for every record.
        package var boot: String
        /// Usable versions, the active one first.
        package var keys: [AuditKey]
        package var settings: Settings
        /// What the database knows of the log; `nil` where it never heard of one.
        package var known: AuditHead?
        package var now: Moment

        package init(
            directory: AuditDirectory, vaultID: String, boot: String, keys: [AuditKey], settings: Settings,
            known: AuditHead?, now: Moment
        ) {
            self.directory = directory
            self.vaultID = vaultID
            self.boot = boot
            self.keys = keys
            self.settings = settings
            self.known = known
            self.now = now
        }
    }

    /// Opens the log, or begins it. Reads the last segment and proves its links; an end that a crash tore off before it was
    /// acknowledged is cut, with a record that says so.
    ///
    /// Throws `.broken` where the log is not what the database or a checkpoint says, or was changed.
    package static func open(_ opening: Opening) throws(AuditFailure) -> AuditLog {
        let directory = opening.directory
        let found: SegmentScan?
        do throws(FileError) {
            try directory.make()
            found = try lastSegment(opening)
        } catch {
            throw .file(error)
        }
        if let found { return try resume(opening, found) }
        if let known = opening.known {
            throw .broken("it is empty, and the database knows of \(known.sequence) records")
        }
        return try begin(opening, after: .nothing, record: nil)
    }

    /// Goes on behind what is there, whatever it is, because an operator said so. The break stays on record.
    package static func adopt(_ opening: Opening, by person: String, reason: String) throws(AuditFailure) -> AuditLog {
        do throws(FileError) {
            try opening.directory.make()
        } catch {
            throw .file(error)
        }
        var found: SegmentScan?
        do throws(FileError) {
            for first in try opening.directory.segments().reversed() {
                let scan = try SegmentScan(opening, first)
                if scan.lines > 0 {
                    found = scan
                    break
                }
                // Without a first record nobody can say where it belongs; it stays, for those who look into it.
                try setAside(opening.directory.segment(first))
            }
        } catch {
            throw .file(error)
        }
        var entry = AuditEntry(.chainBreak)
        entry.add("operator", person)
        entry.add("reason", reason)
        // What was ever said to be there: by the database or by a checkpoint.
        entry.add("known", max(opening.known?.sequence ?? 0, try lastCheckpoint(opening)))
        entry.add("found", found?.head.sequence ?? 0)
        let place = found.map { Place(head: $0.head, frontier: $0.frontier, segment: $0.first) } ?? .nothing
        return try begin(opening, after: place, record: entry)
    }

    /// Where a new segment follows on.
    private struct Place {
        var head: AuditHead
        var frontier: MerkleFrontier
        var segment: UInt64?

        static let nothing = Place(head: .empty, frontier: MerkleFrontier(), segment: nil)
    }

    private static func begin(
        _ opening: Opening, after place: Place, record: AuditEntry?
    ) throws(AuditFailure) -> AuditLog {
        let first = place.head.sequence + 1
        let file: AppendFile
        do throws(FileError) {
            let path = opening.directory.segment(first)
            // Left by a start that was cut short before its first record.
            if (try? AtomicFile.size(of: path)) == 0 { remove(path) }
            // A segment whose very first records are bad lies at the place of the one that follows the last good record.
            if (try? AtomicFile.size(of: path)) != nil { try setAside(path) }
            file = try AppendFile(path, isNew: true)
        } catch {
            throw .file(error)
        }
        let state = State(
            head: place.head, frontier: place.frontier, file: file, bytes: 0, segment: first,
            begun: opening.now.seconds, chain: opening.keys[0].version)
        let log = AuditLog(
            directory: opening.directory, vaultID: opening.vaultID, boot: opening.boot, keys: opening.keys,
            settings: opening.settings, state: state)
        do throws(AuditFailure) {
            for key in opening.keys.reversed() { try log.publish(key) }
            let previous = place.segment.map { AuditDirectory.name($0) } ?? ""
            let segment = segmentEntry(
                previous: previous, place.frontier, vaultID: first == 1 ? opening.vaultID : nil)
            _ = try log.append([segment] + (record.map { [$0] } ?? []), at: opening.now)
            try log.flush()
            do throws(FileError) {
                try AtomicFile.syncDirectory(of: file.path)
            } catch {
                throw .file(error)
            }
        } catch {
            remove(file.path)
            throw error
        }
        return log
    }

    private static func resume(_ opening: Opening, _ found: SegmentScan) throws(AuditFailure) -> AuditLog {
        let acknowledged = max(opening.known?.sequence ?? 0, try lastCheckpoint(opening))
        let name = AuditDirectory.name(found.first)
        if let fault = found.fault, found.head.sequence < acknowledged {
            throw .broken("\(name), line \(found.lines + 1): \(fault)")
        }
        guard found.head.sequence >= acknowledged else {
            throw .broken(
                "it ends with record \(found.head.sequence), and \(acknowledged) records were acknowledged")
        }
        if let known = opening.known, known.sequence > 0 {
            guard try link(of: known.sequence, opening, found) == known.link else {
                throw .broken("record \(known.sequence) is not the one that the database knows")
            }
        }
        let file: AppendFile
        do throws(FileError) {
            file = try AppendFile(opening.directory.segment(found.first), isNew: false)
            if file.size > found.bytes {
                try keepTorn(file, from: found.bytes, sequence: found.head.sequence + 1, opening.directory)
                try file.truncate(to: found.bytes)
                try file.sync()
            }
        } catch {
            throw .file(error)
        }
        let torn = found.fileBytes - found.bytes
        let state = State(
            head: found.head, frontier: found.frontier, file: file, bytes: found.bytes, segment: found.first,
            begun: found.begun ?? opening.now.seconds, chain: found.chain)
        let log = AuditLog(
            directory: opening.directory, vaultID: opening.vaultID, boot: opening.boot, keys: opening.keys,
            settings: opening.settings, state: state)
        for key in opening.keys.reversed() { try log.publish(key) }
        if torn > 0 {
            var entry = AuditEntry(.logRepaired)
            entry.add("bytes", UInt64(torn))
            _ = try log.append([entry], at: opening.now)
            try log.flush()
        }
        return log
    }

    /// The last segment that has a first record; one that a crash left without is removed.
    private static func lastSegment(_ opening: Opening) throws(FileError) -> SegmentScan? {
        let firsts = try opening.directory.segments()
        for first in firsts.reversed() {
            let scan = try SegmentScan(opening, first)
            if scan.lines > 0 || scan.fault != .torn { return scan }
            // The file was made and its first record was never acknowledged. Were it, the database would know.
            if first <= opening.known?.sequence ?? 0 { return scan }
            remove(opening.directory.segment(first))
        }
        return nil
    }

    /// The link of a record that the database knows, in the last segment or an earlier one; empty where it is not there.
    private static func link(
        of sequence: UInt64, _ opening: Opening, _ last: SegmentScan
    ) throws(AuditFailure) -> [UInt8] {
        if sequence >= last.first { return last.knownLink }
        do throws(FileError) {
            guard let first = try opening.directory.segments().last(where: { $0 <= sequence }) else { return [] }
            return try SegmentScan(opening, first).knownLink
        } catch {
            throw .file(error)
        }
    }

    /// Size that the last whole checkpoint of ours speaks of; 0 where there is none.
    private static func lastCheckpoint(_ opening: Opening) throws(AuditFailure) -> UInt64 {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try tail(of: opening.directory.checkpoints)
        } catch {
            if error.isMissing { return 0 }
            throw .file(error)
        }
        let origin = origin(opening.vaultID)
        var sizes: [UInt64] = []
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[...]
        while let start = lines.firstIndex(of: Substring(origin)), lines.endIndex - start >= 5 {
            let note = lines[start..<start + 5].joined(separator: "\n") + "\n"
            lines = lines[(start + 1)...]
            guard let (checkpoint, signed) = Checkpoint.parse(note.utf8) else { continue }
            for key in opening.keys where try key.hasSigned(signed, origin: origin) { sizes.append(checkpoint.size) }
        }
        return sizes.max() ?? 0
    }

    /// The last 64 KiB of a file.
    private static func tail(of path: String) throws(FileError) -> [UInt8] {
        let size = try AtomicFile.size(of: path)
        let bytes = 64 << 10
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, code: errno) }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: min(size, bytes))
        let start = off_t(size - buffer.count)
        let got = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, start) }
        guard got == buffer.count else { throw FileError(operation: "read", path: path, code: got < 0 ? errno : EIO) }
        return buffer
    }

    /// Copies what is about to be cut off to a file of its own: for whoever wants to know what it was.
    private static func keepTorn(
        _ file: AppendFile, from offset: Int, sequence: UInt64, _ directory: AuditDirectory
    ) throws(FileError) {
        let size = min(file.size - offset, AuditLine.byteCountMax)
        let descriptor = unsafe Glibc.open(file.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: file.path, code: errno) }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: size)
        let got = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
        }
        guard got > 0 else { return }
        let path = directory.path + "/torn-\(sequence)"
        remove(path)
        // On a full disk the copy is what one can do without.
        try? AtomicFile.create(path, with: buffer.span.extracting(0..<got))
    }

    private static func setAside(_ path: String) throws(FileError) {
        var number = 1
        while (try? AtomicFile.size(of: "\(path).broken-\(number)")) != nil, number < 1000 { number += 1 }
        guard unsafe rename(path, "\(path).broken-\(number)") == 0 else {
            throw FileError(operation: "rename", path: path, code: errno)
        }
    }

    static func remove(_ path: String) { _ = unsafe unlink(path) }
}

extension FileError {
    /// Whether the file system has no room.
    package var isNoRoom: Bool { code == ENOSPC || code == EDQUOT }
}
