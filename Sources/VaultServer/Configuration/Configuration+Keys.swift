extension Configuration {
    /// How long key versions live, and how records are moved to the next one.
    package struct Keys: ConfigurationSection {
        /// How often a data key version may encrypt.
        package var dataEncryptions = EncryptionLimit()
        /// How old a data key version may grow.
        package var dataPeriod = Cryptoperiod(length: .days(90), rotate: 100, refuse: 200)
        /// How old an index key version may grow. Its rotation changes fingerprints, so it is left to operators.
        package var indexPeriod = Cryptoperiod(length: .days(365), rotate: nil, refuse: nil)
        /// How old a version of the audit key may grow. Older ones stay to verify what they linked.
        package var auditPeriod = Cryptoperiod(length: .days(365), rotate: 100, refuse: nil)
        /// Records that a rotation moves in a second at most; nil is as many as the writer has time for.
        package var moveRate: Int? = 20_000
        /// Records that a rotation moves in one transaction; of index entries, which lie apart, an eighth as many.
        package var moveSlice = 200
        /// Where the random number of the last start is kept; nil is `epoch` in the data directory. On another volume it
        /// tells a data directory that went back in time as a whole.
        package var epochFile: Path?

        package init() {}

        package static let fields: [ConfigurationField<Keys>] = [
            .section("data_encryptions", \.dataEncryptions),
            .section("data_period", \.dataPeriod),
            .section("index_period", \.indexPeriod),
            .section("audit_period", \.auditPeriod),
            .value("move_rate", \.moveRate, ConfigurationType.integer(1...10_000_000).orNone()),
            .value("move_slice", \.moveSlice, .integer(1...2_000)),
            .value("epoch_file", \.epochFile, ConfigurationType.path.orNone(), reload: .restart),
        ]
    }

    /// A number of encryptions, and at which parts of it what happens, in per cent.
    package struct EncryptionLimit: ConfigurationSection {
        /// 2^30 at most: a quarter of what SP 800-38D allows with random nonces.
        package var limit = 1 << 30
        package var warn: Int? = 50
        package var rotate: Int? = 75
        package var refuse: Int? = 100

        package init() {}

        package static let fields: [ConfigurationField<EncryptionLimit>] = [
            .value("limit", \.limit, .integer(20_000...(1 << 30))),
            .value("warn", \.warn, ConfigurationType.integer(1...100).orNone()),
            .value("rotate", \.rotate, ConfigurationType.integer(1...100).orNone()),
            .value("refuse", \.refuse, ConfigurationType.integer(1...100).map { $0 }),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            validateOrder(warn, rotate, refuse, at: path, in: &decoder)
        }
    }

    /// A cryptoperiod, and at which parts of it what happens, in per cent.
    package struct Cryptoperiod: ConfigurationSection {
        package var length = Duration.days(90)
        package var warn: Int? = 90
        package var rotate: Int?
        package var refuse: Int?

        package init() {}

        init(length: Duration, rotate: Int?, refuse: Int?) {
            self.length = length
            self.rotate = rotate
            self.refuse = refuse
        }

        package static let fields: [ConfigurationField<Cryptoperiod>] = [
            .value("length", \.length, .duration(.seconds(1) ... .days(3650))),
            .value("warn", \.warn, ConfigurationType.integer(1...1_000).orNone()),
            .value("rotate", \.rotate, ConfigurationType.integer(1...1_000).orNone()),
            .value("refuse", \.refuse, ConfigurationType.integer(1...1_000).orNone()),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            validateOrder(warn, rotate, refuse, at: path, in: &decoder)
        }
    }

    /// The commands that `dual_control` may name.
    package enum DualControlled: String, Sendable, CaseIterable {
        case rotate, destroy, rewrap, shares, seal, unfreeze
        case resetFactor = "mfa_reset"
        case auditAdopt = "audit_adopt"
    }
}

/// A warning that comes after what it warns of is a slip.
private func validateOrder(
    _ warn: Int?, _ rotate: Int?, _ refuse: Int?, at path: String, in decoder: inout ConfigurationDecoder
) {
    let steps = [("warn", warn), ("rotate", rotate), ("refuse", refuse)].compactMap { name, value in
        value.map { (name, $0) }
    }
    for (earlier, later) in zip(steps, steps.dropFirst()) where earlier.1 > later.1 {
        decoder.report("\(path).\(earlier.0)", "is \(earlier.1), above '\(later.0)' (\(later.1))")
    }
}
