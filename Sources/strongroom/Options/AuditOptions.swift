import ArgumentParser
import Glibc
import StrongroomClient
import VaultCore

/// A moment as people type it.
enum TypedTime {
    static let help = "a date, a time in UTC, @SECONDS, or a time before now such as 12h or 7d"

    static var now: AuditTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return AuditTime(milliseconds: UInt64(max(0, time.tv_sec)) * 1000 + UInt64(time.tv_nsec / 1_000_000))
    }

    static func time(_ text: String?, _ option: String) throws(Failure) -> AuditTime? {
        guard let text else { return nil }
        guard let time = AuditTime(typed: text, now: now) else {
            throw Failure(.usage, "\(option): this is not \(help)")
        }
        return time
    }
}

/// Which records are wanted.
struct RecordOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only what this client did.", valueName: "name"))
    var client: String?

    @Option(help: ArgumentHelp("Only with this certificate: SHA-256 of its public key.", valueName: "hex"))
    var certificate: String?

    @Option(name: .customLong("operator"), help: ArgumentHelp("Only what this operator did.", valueName: "name"))
    var person: String?

    @Option(help: ArgumentHelp("Only about tokens of this person; needs the daemon.", valueName: "subject"))
    var subject: String?

    @Flag(help: "Only about the tokens on standard input, one a line.")
    var token = false

    @Option(help: ArgumentHelp("Only for this purpose.", valueName: "name"))
    var purpose: String?

    @Option(help: ArgumentHelp("Only these operations, with commas between.", valueName: "names"))
    var operation: String?

    @Option(help: ArgumentHelp("Only with this outcome: ok, partial, denied, failed...", valueName: "name"))
    var outcome: String?

    @Option(help: ArgumentHelp("From then on: \(TypedTime.help).", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("Until before then, likewise.", valueName: "time"))
    var until: String?

    /// The arguments of the request.
    func query() throws(Failure) -> [(name: StaticString, values: [String])] {
        var query: [(name: StaticString, values: [String])] = []
        func add(_ name: StaticString, _ value: String?) {
            if let value { query.append((name, [value])) }
        }
        add("client", client)
        add("certificate", certificate)
        add("operator", person)
        add("purpose", purpose)
        add("operation", operation)
        add("outcome", outcome)
        add("since", try TypedTime.time(since, "--since")?.text)
        add("until", try TypedTime.time(until, "--until")?.text)
        return query
    }

    /// The body of the request: what does not belong in a URL.
    func body() async throws(Failure) -> [UInt8] {
        var body = ""
        if let subject {
            guard !subject.contains("\n") else { throw Failure(.usage, "--subject is one line") }
            body += "subject=\(subject)\n"
        }
        for token in try await tokens() ?? [] { body += "token=\(token)\n" }
        return Array(body.utf8)
    }

    /// The same conditions for files without a daemon.
    func filter() async throws(Failure) -> AuditFilter {
        guard subject == nil else {
            throw Failure(.usage, "--subject asks the vault whose tokens they are: it does not work with --offline")
        }
        var filter = AuditFilter()
        filter.client = client
        filter.certificate = certificate?.lowercased().filter { $0 != ":" }
        filter.person = person
        filter.purpose = purpose
        filter.outcome = outcome
        filter.operations = operation.map { Set($0.split(separator: ",").map(String.init)) }
        filter.since = try TypedTime.time(since, "--since")
        filter.until = try TypedTime.time(until, "--until")
        filter.tokens = try await tokens().map { Set($0) }
        return filter
    }

    /// Tokens on standard input; nil where none are asked for.
    private func tokens() async throws(Failure) -> [UInt64]? {
        guard token else { return nil }
        var lines = InputLines(StandardInput("token"))
        var tokens: [UInt64] = []
        while true {
            let next = try await lines.next(max: 1_000)
            if next.isEmpty { return tokens }
            for line in next {
                guard let token = line.token else {
                    throw Failure(.dataError, "line \(tokens.count + 1) of standard input is no token")
                }
                tokens.append(token.value)
            }
        }
    }
}
