import ArgumentParser

struct PendingListCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "pending", abstract: "Show the commands that wait for a second person.",
        discussion: """
            Which commands need one, 'dual_control' in the configuration says. Another operator approves or rejects; \
            nobody approves their own.
            """)

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func perform() async throws(Failure) {
        let (text, value) = try options.endpoint().call("GET", "/v1/pending")
        if json { return try Terminal.print(text) }
        let pending = (value["pending"]?.items ?? []).compactMap(PendingView.init)
        if pending.isEmpty { return try Terminal.print("nothing waits for a second person") }
        var table = Table(["ID", "REQUESTED BY", "CREATED", "EXPIRES", "STATE", "COMMAND"], rightAligned: [0])
        for request in pending {
            table.add([
                "\(request.id)", request.requestedBy, Figures.moment(request.created), Figures.moment(request.expires),
                request.approvedBy.isEmpty ? "waits" : "approved by \(request.approvedBy)", request.description,
            ])
        }
        for line in table.lines { try Terminal.print(line) }
    }
}

struct ApproveCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Agree to another operator's command, as the second person.",
        discussion: """
            The command is carried out at once, except where its result is for the one who asked alone (new shares): \
            they give it once more. 'strongroom pending' shows what waits.
            """)

    @OptionGroup var request: RequestOptions

    func perform() async throws(Failure) { try request.perform("/v1/approve") }
}

struct RejectCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject", abstract: "Refuse another operator's command, or withdraw your own.")

    @OptionGroup var request: RequestOptions

    func perform() async throws(Failure) { try request.perform("/v1/reject") }
}

/// Which command that waits.
struct RequestOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The number of the request.", valueName: "id"))
    var id: UInt32

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var place: ControlPlace

    func perform(_ path: StaticString) throws(Failure) {
        let (text, value) = try place.endpoint().call("POST", ControlTarget(path, [("id", ["\(id)"])]))
        if json { return try Terminal.print(text) }
        for line in CommandResult(value).lines { try Terminal.print(line) }
    }
}
