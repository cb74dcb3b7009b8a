extension Configuration {
    /// The audit trail.
    package struct Audit: ConfigurationSection {
        /// When records must be on disk.
        package var durability = Durability.commit
        /// How often the log is flushed where that is `interval`.
        package var interval = Duration.seconds(1)
        /// How long a request waits for the disk of the log before it is refused.
        package var timeout = Duration.seconds(5)
        /// Bytes of a segment after which the next one begins.
        package var segmentSize = 64 << 20
        /// The age of a segment at which the next one begins.
        package var segmentAge = Duration.days(1)
        /// Bytes of room kept for records that have to be written on a full disk: of freezing and forgetting.
        package var reserve = 1 << 20
        /// Signed statements of how far the log is.
        package var checkpoints = Checkpoints()

        package init() {}

        package static let fields: [ConfigurationField<Audit>] = [
            .value("durability", \.durability, .word),
            .value("interval", \.interval, .duration(.milliseconds(10) ... .seconds(60))),
            .value("timeout", \.timeout, .duration(.seconds(1) ... .seconds(300))),
            .value("segment_size", \.segmentSize, .bytes((64 << 10)...(4 << 30))),
            .value("segment_age", \.segmentAge, .duration(.seconds(60) ... .days(366))),
            .value("reserve", \.reserve, .bytes((64 << 10)...(1 << 30))),
            .section("checkpoints", \.checkpoints),
        ]

        /// When records must be on disk.
        package enum Durability: String, Sendable, CaseIterable {
            /// Before the answer leaves.
            case commit
            /// At intervals: a power cut may lose the latest.
            case interval
        }
    }

    /// When the log is signed, and where the signed statements go.
    package struct Checkpoints: ConfigurationSection {
        /// After so many records.
        package var records = 10_000
        /// After so long, where there are new records.
        package var interval = Duration.seconds(60)
        /// A file on another mount.
        package var file: Path?
        /// The journal of this machine.
        package var journald = false
        /// The datagram socket of a syslog daemon.
        package var syslog: Path?

        package init() {}

        package static let fields: [ConfigurationField<Checkpoints>] = [
            .value("records", \.records, .integer(1...10_000_000)),
            .value("interval", \.interval, .duration(.seconds(1) ... .days(1))),
            .value("file", \.file, ConfigurationType.path.orNone()),
            .value("journald", \.journald, .flag),
            .value("syslog", \.syslog, ConfigurationType.path.orNone()),
        ]
    }
}
