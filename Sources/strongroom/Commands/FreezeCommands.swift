import ArgumentParser
import Glibc

struct FreezeCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "freeze", abstract: "Stop reveals now: all, those of one format, or everything one client does.",
        discussion: """
            For a suspected theft. When the command returns nothing more is revealed, batches and streams under way \
            included: their lines that are left are '!frozen'. It holds over restarts, until 'strongroom unfreeze', and \
            works while the vault is sealed and on a full disk.

              strongroom freeze                        no card is revealed to anyone; tokenize and the rest go on
              strongroom freeze --format cards         tokens of that format are not revealed
              strongroom freeze --client billing       every call of that client is refused
            """)

    @OptionGroup var scope: FreezeOptions

    @Option(help: ArgumentHelp("Why, for status and for who comes after you.", valueName: "text"))
    var reason: String?

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var place: ControlPlace

    func perform() async throws(Failure) {
        let (text, value) = try place.endpoint().call(
            "POST",
            ControlTarget("/v1/freeze", scope.arguments + (reason.map { [(name: "reason", values: [$0])] } ?? [])))
        if json { return try Terminal.print(text) }
        for line in CommandResult(value).lines { try Terminal.print(line) }
        if value["saved"]?.flag == false {
            Terminal.complain("this could not be stored: a restart would forget it. The vault goes on trying")
        }
        if value["recorded"]?.flag == false {
            Terminal.complain("this could not be put on the audit trail")
        }
    }
}

struct UnfreezeCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "unfreeze", abstract: "Let reveals, or a client, go on.",
        discussion: """
            Takes back one 'strongroom freeze', or the freeze of a client that went past a hard limit or asked for a \
            honey token; what the client has asked for is counted anew. 'strongroom status' shows what is frozen and \
            why. With 'unfreeze' under dual_control another operator approves.
            """)

    @OptionGroup var scope: FreezeOptions

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var place: ControlPlace

    func perform() async throws(Failure) {
        let (text, value) = try place.endpoint().call("POST", ControlTarget("/v1/unfreeze", scope.arguments))
        if json { return try Terminal.print(text) }
        for line in CommandResult(value).lines { try Terminal.print(line) }
    }
}

/// What is to be frozen.
struct FreezeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("One client, by its name in the configuration.", valueName: "name"))
    var client: String?

    @Option(help: ArgumentHelp("One format.", valueName: "name"))
    var format: String?

    func validate() throws {
        guard client == nil || format == nil else {
            throw ValidationError("give --client or --format, or neither for all reveals")
        }
    }

    var arguments: [(name: StaticString, values: [String])] {
        (client.map { [(name: "client", values: [$0])] } ?? [])
            + (format.map { [(name: "format", values: [$0])] } ?? [])
    }
}

/// A freeze as the vault tells of it.
struct FreezeView: Equatable {
    let scope: String
    let name: String
    let cause: String
    let since: UInt64
    let by: String
    let reason: String

    init?(_ value: JSONValue) {
        guard let scope = value["scope"]?.text else { return nil }
        self.scope = scope
        name = value["name"]?.text ?? ""
        cause = value["cause"]?.text ?? ""
        since = value["since"]?.integer ?? 0
        by = value["by"]?.text ?? "?"
        reason = value["reason"]?.text ?? ""
    }

    /// `client billing is frozen`.
    var subject: String { scope == "all" ? "all reveals are" : "\(scope) \(name) is" }

    /// `since 2026-11-28 11:22 by anna (1000): theft`.
    var origin: String {
        "since \(Figures.moment(since)) by \(by)" + (reason.isEmpty ? "" : ": \(reason)")
    }
}
