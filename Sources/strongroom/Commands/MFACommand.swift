import ArgumentParser
import StrongroomClient

struct MFACommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mfa", abstract: "One-time codes of operators, the second factor.",
        subcommands: [Enroll.self, Verify.self, Status.self, Reset.self])

    struct Enroll: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "enroll", abstract: "Get a secret for your code generator, and put it in force.",
            discussion: """
                On a terminal it shows a QR code and the same as text, for any generator of time-based one-time codes \
                (RFC 6238). Then it asks for a code: only when that is right is the new secret in force, and an earlier \
                one of yours is over. Elsewhere it prints the otpauth:// address and reads the code from standard input.
                """)

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let endpoint = try options.endpoint()
            Interruption.holdBack()
            let answer = try endpoint.exchange("POST", "/v1/mfa/enroll")
            // An address is no JSON.
            guard answer.isShareSheet else {
                _ = try answer.json()
                throw Failure(.unavailable, "the vault's answer makes no sense")
            }
            var enrolment = Enrolment(endpoint: endpoint)
            try enrolment.perform(answer.takeBody())
            try Terminal.print("your one-time codes are in force")
        }
    }

    struct Verify: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify", abstract: "Give a one-time code now, for the commands of the next minutes.",
            discussion: """
                Commands ask for a code by themselves, on a terminal. A script can be given leave before: this reads a \
                code from standard input where that is no terminal. It holds for all commands of the same Unix user, as \
                long as 'control.mfa_minutes' says.
                """)

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let endpoint = try options.endpoint()
            if Terminal.isInputTerminal {
                _ = try endpoint.call("POST", "/v1/mfa/verify")
            } else {
                let code = try CodeEntry.read("")
                _ = try endpoint.connect().exchange("POST", "/v1/mfa/verify", code: code.span).json()
            }
            try Terminal.print("the code is accepted")
        }
    }

    struct Status: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Show who has enrolled; without the right to that, your own state.")

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/mfa")
            if json { return try Terminal.print(text) }
            for line in FactorView.lines(value) { try Terminal.print(line) }
        }
    }

    struct Reset: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset", abstract: "Take another operator's one-time codes out of force.",
            discussion: """
                For a telephone that is lost or new. The operator may then do nothing but enrol again, so make sure who \
                asks. Nobody resets their own.
                """)

        @Argument(help: ArgumentHelp("The operator, by the configuration's name.", valueName: "name"))
        var name: String

        @Flag(help: "The vault's own JSON.")
        var json = false

        @OptionGroup var place: ControlPlace

        func perform() async throws(Failure) {
            let (text, value) = try place.endpoint().call(
                "POST", ControlTarget("/v1/mfa/reset", [("operator", [name])]))
            if json { return try Terminal.print(text) }
            guard value["pending"] == nil else {
                for line in CommandResult(value).lines { try Terminal.print(line) }
                return
            }
            try Terminal.print("the one-time codes of \(name) are out of force; they have to enrol again")
        }
    }
}

/// Operators and their second factor, for people.
enum FactorView {
    static func lines(_ value: JSONValue) -> [String] {
        let commands = (value["commands"]?.items ?? []).compactMap(\.text)
        var lines = [
            "A code holds for \(Figures.count(value["minutes"]?.integer ?? 0, "minute")). Commands that ask for one: "
                + (commands.isEmpty ? "none" : commands.joined(separator: ", "))
        ]
        var table = Table(["OPERATOR", "UID", "SECOND FACTOR", "STATE"], rightAligned: [1])
        for row in value["operators"]?.items ?? [] {
            table.add([
                row["name"]?.text ?? "-", "\(row["uid"]?.integer ?? 0)", row["mfa"]?.text ?? "none", state(row),
            ])
        }
        lines += table.lines
        return lines
    }

    private static func state(_ row: JSONValue) -> String {
        guard row["mfa"]?.text != nil else { return "-" }
        guard let isEnrolled = row["enrolled"]?.flag else { return "not known while sealed" }
        guard isEnrolled else { return Terminal.yellow("not enrolled") }
        let locked = row["locked_seconds"]?.integer ?? 0
        if locked > 0 { return Terminal.red("locked out for \(Figures.count((locked + 59) / 60, "minute"))") }
        let since = "since \(Figures.date(row["since"]?.integer ?? 0))"
        return row["verified"]?.flag == true ? since + ", has shown a code" : since
    }
}
