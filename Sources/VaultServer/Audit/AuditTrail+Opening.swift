internal import Glibc
internal import Synchronization
internal import VaultCore

// From a vault's keys to a log that is written, and back. Done on the audit thread, which owns the log.
extension AuditTrail {
    /// Opens the log under the keys of a vault. Returns when that is done; not for event loops, nor for the audit thread.
    func open(_ keyring: Keyring, known: AuditHead?) throws(AuditFailure) {
        try perform { () throws(AuditFailure) in try self.openNow(keyring, known, adopting: nil) }
    }

    /// Goes on with a log that does not fit, because an operator said so.
    func adoptBroken(
        _ keyring: Keyring, known: AuditHead?, by person: String, reason: String
    ) throws(AuditFailure) -> AuditHead {
        try perform { () throws(AuditFailure) in
            try self.openNow(keyring, known, adopting: (person, reason))
            guard let log = self.log else { throw .closed }
            return log.head
        }
    }

    /// Puts another audit key in force.
    func rekey(_ keyring: Keyring) throws(AuditFailure) {
        try perform { () throws(AuditFailure) in
            guard let log = self.log else { throw .closed }
            log.adopt(try AuditKey.all(of: keyring))
        }
    }

    /// Segments on disk that an audit key version is needed for; where they do not read, more than there can be.
    func segments(under version: UInt32) -> Int { (try? directory.segments(under: version)) ?? .max }

    /// Forgets the keys. Gives the last record, for the database.
    func close() -> AuditHead? {
        let head = Rendezvous<AuditHead?>()
        let isTaken = queue.append { head.bring(self.closeNow()) }
        return isTaken ? head.wait(nanoseconds: timeoutNanoseconds) ?? nil : nil
    }

    private func perform<R: Sendable>(
        _ body: @escaping @Sendable () throws(AuditFailure) -> R
    ) throws(AuditFailure) -> R {
        let rendezvous = Rendezvous<Result<R, AuditFailure>>()
        let isTaken = queue.append {
            do throws(AuditFailure) {
                rendezvous.bring(.success(try body()))
            } catch {
                rendezvous.bring(.failure(error))
            }
        }
        // A start may read a whole segment.
        guard isTaken, let result = rendezvous.wait(nanoseconds: 600 * 1_000_000_000) else { throw .late }
        return try result.get()
    }

    func openNow(
        _ keyring: Keyring, _ known: AuditHead?, adopting: (person: String, reason: String)?
    ) throws(AuditFailure) {
        let opening = AuditLog.Opening(
            directory: directory, vaultID: keyring.vaultID.text, boot: boot, keys: try AuditKey.all(of: keyring),
            settings: Self.logSettings(settings), known: known, now: Self.now)
        do throws(AuditFailure) {
            if let adopting {
                log = try AuditLog.adopt(opening, by: adopting.person, reason: adopting.reason)
            } else {
                log = try AuditLog.open(opening)
            }
        } catch {
            openFailure = error
            if case .broken = error {
                setState(.broken, error)
            } else {
                setState(.unavailable, error)
                unopened = (keyring, known)
            }
            throw error
        }
        unopened = nil
        setState(.open, nil)
        // A checkpoint of the state that is taken over: what it stands on is known from now on.
        checkpointed = 0
        lastCheckpoint = 0
        showHead()
        let kept = backlog
        backlog = []
        if !kept.isEmpty { write([Job(entries: kept, isReserved: true)]) }
    }

    func closeNow() -> AuditHead? {
        unopened = nil
        openFailure = .closed
        guard let log else {
            setState(.closed, nil)
            return nil
        }
        try? log.flush()
        signCheckpoint(log)
        let head = log.head
        self.log = nil
        setState(.closed, nil)
        return head
    }

    static func logSettings(_ settings: Configuration.Audit) -> AuditLog.Settings {
        var result = AuditLog.Settings()
        result.segmentBytes = settings.segmentSize
        result.segmentSeconds = UInt64(settings.segmentAge.components.seconds)
        result.reserveBytes = settings.reserve
        return result
    }
}

/// The kernel's name for this start of the machine.
enum BootID {
    static var text: String {
        var bytes = [UInt8](repeating: 0, count: 36)
        let descriptor = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown" }
        defer { Glibc.close(descriptor) }
        let got = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        guard got == 36, bytes.allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return "unknown" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
