internal import Logging
internal import Synchronization

/// Says in the log which certificates and lists end soon: each once a day, and again when it has ended.
final class CertificateWatch: Sendable {
    private static let interval: Int64 = 86_400

    /// When each was spoken of last, and at which level.
    private let spoken = Mutex<[String: (level: CertificateTerm.Level, time: Int64)]>([:])

    /// Which of them are to be spoken of now. Any thread.
    func due(_ terms: [CertificateTerm], at now: Int64) -> [CertificateTerm] {
        spoken.withLock { spoken in
            var current: [String: (level: CertificateTerm.Level, time: Int64)] = [:]
            var due: [CertificateTerm] = []
            for term in terms where term.level(at: now) != .fine {
                let key = "\(term.kind) \(term.name) \(term.serial)"
                let level = term.level(at: now)
                if let known = spoken[key], known.level == level, now - known.time < Self.interval, now >= known.time {
                    current[key] = known
                } else if current.updateValue((level, now), forKey: key) == nil {
                    due.append(term)
                }
            }
            spoken = current
            return due
        }
    }

    func speak(_ terms: [CertificateTerm], _ logger: Logger) {
        let now = Int64(WallClock.seconds)
        for term in due(terms, at: now) {
            var metadata: Logger.Metadata = [
                "kind": "\(term.kind.rawValue)", "name": "\(term.name)",
                "hours": "\(abs(term.end - now) / 3600)",
            ]
            if !term.serial.isEmpty { metadata["serial"] = "\(term.serial)" }
            if let file = term.file { metadata["file"] = "\(file)" }
            switch term.level(at: now) {
            case .fine: break
            case .near: logger.warning("certificate_near_its_end", metadata: metadata)
            case .over: logger.error("certificate_ended", metadata: metadata)
            }
        }
    }
}
