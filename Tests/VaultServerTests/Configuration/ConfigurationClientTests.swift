import Testing
import VaultCore

@testable import VaultServer

@Suite("Configuration: where, when and how much a client may call")
struct ConfigurationClientTests {
    private let start =
        "clients: [{name: a, certificate: {dns: a}, allow: [detokenize], formats: [cards], purposes: [x], "

    private func client(_ options: String) throws -> Configuration.Client {
        try #require(try configuration(minimalYAML + start + options + "}]").clients.first)
    }

    private func complaints(_ options: String) -> [String] {
        problems(adding: start + options + "}]").map {
            $0.replacing(#/^strongroom.yaml:6:[0-9]+: clients\[0\]./#, with: "")
        }
    }

    @Test("by default anywhere, always, and without limits")
    func defaults() throws {
        let client = try client("limits: {reveals_day: {}}")
        #expect(client.addresses == nil && client.hours == nil && client.batch == nil)
        #expect(!client.limits.bounds.isAnySet)
        #expect(try self.client("addresses: none, hours: none, batch: none") == client)
    }

    @Test("reads addresses, hours, a batch and limits")
    func reading() throws {
        let client = try client(
            """
            addresses: [10.0.0.0/8, 127.0.0.1, "::1", unix], hours: ["06:00-12:30", 22:00-02:00], batch: 100,
              limits: {reveals_minute: {soft: 10, hard: 20}, reveals_hour: {soft: 100}, reveals_day: {hard: 1000},
              misses_minute: {hard: 5}, bucket_pans_hour: {soft: 3, hard: none}}
            """)
        #expect(client.addresses?.map(\.text) == ["10.0.0.0/8", "127.0.0.1", "::1", "unix"])
        #expect(client.hours?.map(\.text) == ["06:00-12:30", "22:00-02:00"])
        #expect(client.batch == 100)
        let bounds = client.limits.bounds
        #expect(bounds[.revealsMinute] == ClientLimit(soft: 10, hard: 20))
        #expect(bounds[.revealsHour] == ClientLimit(soft: 100))
        #expect(bounds[.revealsDay] == ClientLimit(hard: 1_000))
        #expect(bounds[.missesMinute] == ClientLimit(hard: 5))
        #expect(bounds[.bucketPANsHour] == ClientLimit(soft: 3))
    }

    @Test(
        "points out what makes no sense",
        arguments: [
            ("addresses: [10.0.0.1/8]", "addresses[0]: '10.0.0.1/8' has bits beyond its prefix"),
            (
                "addresses: [localhost]",
                "addresses[0]: must be an address, a network such as 10.0.0.0/8, or unix, not 'localhost'"
            ),
            ("addresses: [unix, unix]", "addresses[1]: is in the list twice"),
            ("addresses: []", "addresses: names none, so the client could never call; leave it out for any"),
            ("hours: []", "hours: names none, so the client could never call; leave it out for any"),
            ("addresses: 127.0.0.1", "addresses: must be a list such as [a, b], not '127.0.0.1'"),
            (
                "hours: [6-22]",
                "hours[0]: must be hours in UTC such as \"06:00-22:00\" or \"22:00-06:00\", not '6-22'"
            ),
            ("batch: 0", "batch: must be a whole number from 1 to 10000, not '0'"),
            ("limits: {reveals: 5}", "limits.reveals: unknown key"),
            ("limits: {reveals_hour: 5}", "limits.reveals_hour: must be a section of keys, not '5'"),
            (
                "limits: {reveals_hour: {soft: 0}}",
                "limits.reveals_hour.soft: must be a whole number from 1 to 1000000000000, not '0'"
            ),
            ("limits: {reveals_hour: {soft: 6, hard: 5}}", "limits.reveals_hour.soft: is 6, above 'hard' (5)"),
            ("limits: {bucket_pans_hour: {hard: 10001}}", "limits.bucket_pans_hour.hard: is 10001, above 10000"),
        ])
    func nonsense(options: String, complaint: String) {
        #expect(complaints(options) == [complaint])
    }

    @Test("limits on reveals of a client that may not reveal are pointed out")
    func useless() {
        #expect(
            problems(
                adding:
                    "clients: [{name: a, certificate: {dns: a}, allow: [fingerprint], limits: {reveals_day: {hard: 5}}}]"
            )
                == [
                    "strongroom.yaml:6:66: clients[0].limits: limits reveals, but 'allow' does not name 'detokenize'"
                ])
    }
}
