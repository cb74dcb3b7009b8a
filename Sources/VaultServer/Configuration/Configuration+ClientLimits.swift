package import VaultCore

extension Configuration.Client {
    /// How much a client may ask for. Past a soft limit it has to wait, past a hard one it is frozen.
    package struct ClientLimits: ConfigurationSection {
        /// Tokens it asks to reveal.
        package var revealsMinute = Limit()
        package var revealsHour = Limit()
        package var revealsDay = Limit()
        /// Tokens it names that do not exist for it.
        package var missesMinute = Limit()
        /// Different cards it names whose first six and last four digits are equal.
        package var bucketPANsHour = Limit()

        package init() {}

        package static let fields: [ConfigurationField<ClientLimits>] = [
            .section("reveals_minute", \.revealsMinute),
            .section("reveals_hour", \.revealsHour),
            .section("reveals_day", \.revealsDay),
            .section("misses_minute", \.missesMinute),
            .section("bucket_pans_hour", \.bucketPANsHour),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            // Each of a bucket's cards is remembered up to the limit, and compared with the next one.
            let cardsMax = 10_000
            for (name, value) in [("soft", bucketPANsHour.soft), ("hard", bucketPANsHour.hard)] {
                guard let value, value > cardsMax else { continue }
                decoder.report("\(path).bucket_pans_hour.\(name)", "is \(value), above \(cardsMax)")
            }
        }

        /// As the domain knows them.
        package var bounds: VaultCore.ClientLimits {
            var bounds = VaultCore.ClientLimits()
            bounds.revealsMinute = revealsMinute.bound
            bounds.revealsHour = revealsHour.bound
            bounds.revealsDay = revealsDay.bound
            bounds.missesMinute = missesMinute.bound
            bounds.bucketPANsHour = bucketPANsHour.bound
            return bounds
        }
    }

    /// One limit; nil is none.
    package struct Limit: ConfigurationSection {
        package var soft: Int?
        package var hard: Int?

        package init() {}

        package static let fields: [ConfigurationField<Limit>] = [
            .value("soft", \.soft, ConfigurationType.integer(1...1_000_000_000_000).orNone()),
            .value("hard", \.hard, ConfigurationType.integer(1...1_000_000_000_000).orNone()),
        ]

        package func validate(at path: String, in decoder: inout ConfigurationDecoder) {
            if let soft, let hard, soft > hard {
                decoder.report("\(path).soft", "is \(soft), above 'hard' (\(hard))")
            }
        }

        var bound: ClientLimit { ClientLimit(soft: soft.map(UInt64.init), hard: hard.map(UInt64.init)) }
    }
}
