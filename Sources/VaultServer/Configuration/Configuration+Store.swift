extension Configuration {
    /// The embedded database and its single writer.
    package struct Store: ConfigurationSection {
        /// The most the database may grow to, in bytes. Reserves address space only; the file grows as it is filled.
        package var mapBytes = 64 << 30
        /// Requests that may wait for the writer; one more is answered `busy`.
        package var writerQueue = 4096
        /// Requests that share one transaction and one flush at most.
        package var groupMax = 512

        package init() {}

        package static let fields: [ConfigurationField<Store>] = [
            .value("map_size", \.mapBytes, .mapSize, reload: .restartIf { $1 < $0 }),
            .value("writer_queue", \.writerQueue, .integer(1...1_000_000), reload: .restart),
            .value("group_max", \.groupMax, .integer(1...65_536), reload: .restart),
        ]
    }

    /// The daemon's threads.
    package struct Threads: ConfigurationSection {
        /// Event loops; nil is one per core.
        package var eventLoops: Int?

        package init() {}

        package static let fields: [ConfigurationField<Threads>] = [
            .value(
                "event_loops", \.eventLoops, ConfigurationType.integer(1...1024).orNone(as: "cores"),
                reload: .restart)
        ]
    }
}

extension ConfigurationType<Int> {
    /// A size from 1 MiB to 16 TiB in whole pages of 4 KiB.
    static let mapSize = ConfigurationType { node, path, decoder in
        guard let size = bytes((1 << 20)...(16 << 40)).parse(node, path, &decoder) else { return nil }
        if size % 4096 != 0 {
            decoder.report(path, "must be a multiple of 4KiB", at: node.position)
            return nil
        }
        return size
    }
}
