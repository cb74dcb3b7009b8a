internal import ArgumentParser
internal import Glibc

/// The command: each kind of benchmark is a subcommand of its own.
@main
struct StrongroomBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strongroom-bench",
        abstract: "Measures a running vault: what each call costs the server, and how long it takes.",
        subcommands: [RunCommand.self, RotationCommand.self], defaultSubcommand: RunCommand.self)
}
