import ArgumentParser
import Glibc

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "What the vault does in the background.",
        subcommands: [List.self, Watch.self], defaultSubcommand: List.self)

    struct List: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show the jobs under way.",
            discussion: """
                A rotation is 'moving' records, 'proving' that none is left, 'waiting' until remembered request ids are \
                old enough, 'awaiting_approval' of a second person, 'paused' until it can go on by itself, or 'blocked' \
                until somebody has looked.
                """)

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/jobs")
            if json { return try Terminal.print(text) }
            let jobs = JobView.all(value)
            if jobs.isEmpty { return try Terminal.print("no jobs") }
            for job in jobs {
                let line = job.plain
                try Terminal.print(job.isBlocked ? Terminal.red(line) : line)
            }
        }
    }

    struct Watch: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "watch", abstract: "Follow the jobs until none is left.",
            discussion: """
                Draws a bar for each job on a terminal. Elsewhere it prints a line every five seconds, and at once \
                where a state changes; with --json, the vault's own line whenever it differs from the one before. The \
                exit code is 0 when no job is left, and 65 where one is blocked. Ending the command ends no job.
                """)

        @Flag(help: "The vault's own JSON, one line for each change.")
        var json = false

        @Option(help: ArgumentHelp("Between two looks, 0.1 to 3600.", valueName: "seconds"))
        var interval = 1.0

        @OptionGroup var options: ControlOptions

        func validate() throws {
            guard interval >= 0.1, interval <= 3600 else { throw ValidationError("--interval is 0.1 to 3600") }
        }

        func perform() async throws(Failure) {
            let endpoint = try options.endpoint()
            let style = JobReporter.style(1, json: json)
            var reporter = JobReporter(1, style: style, lineInterval: .seconds(max(5, interval)))
            defer { reporter.clear() }
            var emptyLooks = 0
            var (text, value) = try endpoint.call("GET", "/v1/jobs")
            while true {
                let jobs = JobView.all(value)
                try reporter.show(jobs, text: text)
                if let blocked = jobs.first(where: \.isBlocked) { throw Self.failure(blocked) }
                if jobs.isEmpty {
                    if try Self.isOver(endpoint, &emptyLooks) { break }
                } else {
                    emptyLooks = 0
                }
                usleep(UInt32(interval * 1_000_000))
                (text, value) = try endpoint.poll("/v1/jobs")
            }
            reporter.clear()
            if !json { try Terminal.print("no jobs") }
        }

        /// Looks without a job in spite of a retiring key that count as the end.
        private static let emptyLooksMax = 10

        /// Whether no job is left, and not only not there yet, as after a restart. Throws where the vault is sealed.
        private static func isOver(_ endpoint: ControlEndpoint, _ emptyLooks: inout Int) throws(Failure) -> Bool {
            emptyLooks += 1
            let versions = KeyVersionView.all(try endpoint.poll("/v1/keys").value)
            return emptyLooks > emptyLooksMax || !versions.contains { $0.state == "retiring" }
        }

        static func failure(_ job: JobView) -> Failure { Failure(.dataError, "\(job.title): \(job.note)") }
    }
}
