extension Configuration {
    /// Bounds on what one caller, or all together, may ask for.
    package struct Limits: ConfigurationSection {
        /// Connections of clients at a time; see `connections(openFilesMax:)`.
        package var connections = 10_000
        /// Bytes of a JSON request body.
        package var jsonBodyBytes = 1 << 20
        /// Bytes of a request line and its header fields together.
        package var headerBytes = 16 << 10
        /// Cards in one JSON tokenize request.
        package var batchTokenize = 1000
        /// Tokens in one JSON detokenize, inspect or forget request.
        package var batchDetokenize = 10_000
        /// A connection older than this is closed after the answer under way, so that certificates are seen anew;
        /// nil is never.
        package var connectionAge: Duration? = .seconds(3600)

        package init() {}

        package static let fields: [ConfigurationField<Limits>] = [
            .value("connections", \.connections, .integer(1...1_000_000)),
            .value("json_body", \.jsonBodyBytes, .bytes((4 << 10)...(64 << 20))),
            .value("header_bytes", \.headerBytes, .bytes((1 << 10)...(256 << 10))),
            .value("batch_tokenize", \.batchTokenize, .integer(1...1000)),
            .value("batch_detokenize", \.batchDetokenize, .integer(1...10_000)),
            .value(
                "connection_age", \.connectionAge,
                ConfigurationType.duration(.seconds(1) ... .days(30)).orNone()),
        ]

        /// The connections to accept when the process may hold `openFilesMax` descriptors (RLIMIT_NOFILE): at most
        /// `connections`, with 64 descriptors left for the store, the audit trail, sockets and reloads, but at least 1.
        package func connections(openFilesMax: Int) -> Int {
            max(1, min(connections, openFilesMax - 64))
        }
    }
}
