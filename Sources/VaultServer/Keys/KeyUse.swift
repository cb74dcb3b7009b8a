internal import VaultCore

/// How much of its life a key version has used, and what follows from that.
struct KeyUse: Sendable, Equatable {
    /// In the order of severity.
    enum Level: Int, Sendable, Comparable {
        case fine, warn, rotate, refuse
        static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

        var name: StaticString {
            switch self {
            case .fine: "fine"
            case .warn: "warn"
            case .rotate: "rotate"
            case .refuse: "refuse"
            }
        }
    }

    var version: UInt32 = 0
    var ageSeconds: UInt64 = 0
    var periodSeconds: UInt64 = 0
    /// 0 for index keys, which are not counted.
    var encryptions: UInt64 = 0
    var limit: UInt64 = 0
    var ageLevel = Level.fine
    var encryptionLevel = Level.fine

    init() {}

    var level: Level { max(ageLevel, encryptionLevel) }

    /// Measures the active data key. A clock that went back makes no key younger than 0 seconds.
    init(data version: KeyVersion, encryptions: UInt64, now: UInt64, _ settings: Configuration.Keys) {
        self.init(version, now: now, settings.dataPeriod)
        self.encryptions = encryptions
        let limits = settings.dataEncryptions
        limit = UInt64(limits.limit)
        encryptionLevel = Self.level(encryptions, of: limit, limits.warn, limits.rotate, limits.refuse)
    }

    /// Measures an active key that is not counted.
    init(_ version: KeyVersion, now: UInt64, _ period: Configuration.Cryptoperiod) {
        self.version = version.number
        ageSeconds = now > version.created ? now - version.created : 0
        periodSeconds = UInt64(max(1, period.length.components.seconds))
        ageLevel = Self.level(ageSeconds, of: periodSeconds, period.warn, period.rotate, period.refuse)
    }

    private static func level(_ used: UInt64, of whole: UInt64, _ warn: Int?, _ rotate: Int?, _ refuse: Int?) -> Level {
        func reached(_ percent: Int?) -> Bool {
            guard let percent else { return false }
            return Double(used) >= Double(whole) * Double(percent) / 100
        }
        if reached(refuse) { return .refuse }
        if reached(rotate) { return .rotate }
        return reached(warn) ? .warn : .fine
    }

    var json: JSONText {
        .object([
            ("version", .number(UInt64(version))), ("age_seconds", .number(ageSeconds)),
            ("period_seconds", .number(periodSeconds)), ("encryptions", .number(encryptions)),
            ("limit", .number(limit)), ("level", .string("\(level.name)")),
        ])
    }
}

extension Configuration.Keys {
    /// How old a version of a key may grow.
    func period(of purpose: KeyPurpose) -> Configuration.Cryptoperiod {
        switch purpose {
        case .data: dataPeriod
        case .index: indexPeriod
        case .audit: auditPeriod
        }
    }
}
