import ArgumentParser
import StrongroomClient

extension AuditCommand {
    struct Adopt: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "adopt",
            abstract: "Go on with an audit log that does not fit its vault, and keep that on record.",
            discussion: """
                For a vault that says 'audit_broken': its log was cut short or changed, or the disk lost it. Keep a copy of \
                it and find out why first. The next segment begins with a record of the break, with your name and the \
                reason; 'audit verify' says from then on that there is a break, and a witness shows what was lost.
                """)

        @Option(help: ArgumentHelp("Why, for those who read the log.", valueName: "text"))
        var reason: String

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var place: ControlPlace

        func perform() async throws(Failure) {
            let (text, value) = try place.endpoint().call(
                "POST", ControlTarget("/v1/audit/adopt", [("reason", [reason])]))
            if json { return try Terminal.print(text) }
            if value["adopted"]?.flag == true {
                return try Terminal.print("the log goes on with record \((value["records"]?.integer ?? 0) + 1)")
            }
            for line in CommandResult(value).lines { try Terminal.print(line) }
        }
    }
}
