extension Configuration {
    /// How long the daemon waits for a caller before it closes the connection.
    package struct Timeouts: ConfigurationSection {
        /// From accepting a connection to the end of the TLS handshake.
        package var handshake = Duration.seconds(10)
        /// From the first byte of a request to the end of its header fields.
        package var header = Duration.seconds(10)
        /// From the header fields to the end of a JSON body; a bulk body may last, at `bodyRate`.
        package var body = Duration.seconds(30)
        /// Bytes per second a body must bring, over any `body` span of time while the daemon is ready to read.
        package var bodyRate = 1024
        /// Between two requests on a connection.
        package var idle = Duration.seconds(300)
        /// While an answer is pending and the caller reads none of it.
        package var writeStall = Duration.seconds(30)
        /// For requests under way when the daemon stops.
        package var drain = Duration.seconds(30)

        package init() {}

        package static let fields: [ConfigurationField<Timeouts>] = [
            .value("handshake", \.handshake, .duration(range)),
            .value("header", \.header, .duration(range)),
            .value("body", \.body, .duration(range)),
            .value("body_rate", \.bodyRate, .bytes(1...(1 << 30))),
            .value("idle", \.idle, .duration(.milliseconds(100) ... .days(1))),
            .value("write_stall", \.writeStall, .duration(range)),
            .value("drain", \.drain, .duration(range)),
        ]

        private static let range: ClosedRange<Duration> = .milliseconds(100) ... .seconds(3600)
    }
}
