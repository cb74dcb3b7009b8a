import ArgumentParser
import VaultCore

struct SharesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shares", abstract: "The shares of the root key, and who holds them.",
        subcommands: [Split.self, Refresh.self, List.self, Acknowledge.self])

    struct Split: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "split", abstract: "Split the root key into new shares, any M of which open the vault.",
            discussion: """
                Shares are handed out first: on a terminal one at a time, the screen cleared in between; with \
                --output-dir each in a file of its own; in a pipe as lines 'NUMBER<tab>NAME<tab>SHARE'. Only when all \
                are out do they come into force, and from then on all earlier shares are useless. Where the command \
                ends before that, nothing has changed.

                The root key must be in shares already; 'strongroom keys rewrap --root shares:M/N' gets it there.
                """)

        @Option(help: ArgumentHelp("How many shares open the vault, 2 or more.", valueName: "m"))
        var threshold: Int

        @Option(help: ArgumentHelp("How many shares there are, up to 255.", valueName: "n"))
        var count: Int

        @OptionGroup var shares: ShareOptions

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func validate() throws {
            guard (Shamir.thresholdMin...Shamir.countMax).contains(count),
                (Shamir.thresholdMin...count).contains(threshold)
            else { throw ValidationError("--threshold is 2 or more, --count is --threshold or more, up to 255") }
            try shares.validate(count: count)
            try shares.validate(json: json)
        }

        func perform() async throws(Failure) {
            var query: [(name: StaticString, values: [String])] = [
                ("threshold", ["\(threshold)"]), ("count", ["\(count)"]),
            ]
            if !shares.custodian.isEmpty { query.append(("custodians", shares.custodian)) }
            let handout = try shares.handout()
            let ceremony = ShareCeremony(endpoint: try options.endpoint(), handout: handout, json: json)
            try ceremony.perform(ControlTarget("/v1/shares/split", query))
        }
    }

    struct Refresh: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "refresh", abstract: "Make new shares for the same custodians; the old ones become useless.",
            discussion: "For a share that was lost or seen. Shares are handed out as by 'strongroom shares split'.")

        @OptionGroup var output: ShareOutput

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func validate() throws { try output.validate(json: json) }

        func perform() async throws(Failure) {
            let handout = try output.handout()
            let ceremony = ShareCeremony(endpoint: try options.endpoint(), handout: handout, json: json)
            try ceremony.perform("/v1/shares/refresh")
        }
    }

    struct List: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Show who holds which share, since when, and who held one.")

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/shares")
            if json { return try Terminal.print(text) }
            for line in CustodianReport(value).lines { try Terminal.print(line) }
        }
    }

    struct Acknowledge: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "acknowledge", abstract: "Record that a custodian has accepted the duties of one.",
            discussion: "PCI DSS 3.7.8 asks for it: run it when the custodian has signed.")

        @Argument(help: ArgumentHelp("The custodian.", valueName: "name"))
        var name: String

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var place: ControlPlace

        func perform() async throws(Failure) {
            let (text, value) = try place.endpoint().call(
                "POST", ControlTarget("/v1/shares/acknowledge", [("custodian", [name])]))
            try Terminal.print(json ? text : "recorded: \(value["acknowledged"]?.text ?? name) has accepted the duties")
        }
    }
}

/// Who holds shares, for people.
struct CustodianReport {
    private(set) var lines: [String] = []

    init(_ answer: JSONValue) {
        if answer["kind"]?.text == "shares" {
            lines.append(
                "\(answer["threshold"]?.integer ?? 0) of \(answer["count"]?.integer ?? 0) shares of set "
                    + "\(Figures.set(answer["set"])) open the vault")
        } else {
            lines.append("the root key is not in shares: \(answer["kind"]?.text ?? "-")")
        }
        let custodians = answer["custodians"]?.items ?? []
        guard !custodians.isEmpty else { return }
        var table = Table(["CUSTODIAN", "SET", "SHARE", "SINCE", "UNTIL", "DUTIES ACCEPTED"], rightAligned: [2])
        for custodian in custodians { table.add(Self.row(custodian)) }
        lines += table.lines
    }

    private static func row(_ custodian: JSONValue) -> [String] {
        let accepted = custodian["acknowledged"]?.integer ?? 0
        let isCurrent = custodian["current"]?.flag == true
        let by = custodian["acknowledged_by"]?.text ?? ""
        let missing = isCurrent ? Terminal.yellow("not yet") : "-"
        return [
            custodian["name"]?.text ?? "-", Figures.set(custodian["set"]), "\(custodian["index"]?.integer ?? 0)",
            Figures.date(custodian["since"]?.integer ?? 0),
            isCurrent ? "in force" : Figures.date(custodian["until"]?.integer ?? 0),
            accepted > 0 ? Figures.date(accepted) + (by.isEmpty ? "" : ", recorded by \(by)") : missing,
        ]
    }
}
