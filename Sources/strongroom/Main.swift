import ArgumentParser
import Glibc
import SecretMemory
import VaultServer

/// The vault's command line: flags and wiring; what it does is in `Commands`.
struct StrongroomCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strongroom",
        abstract: "Operates a Strongroom vault, and exchanges cards and tokens with it.",
        discussion: """
            Card numbers and tokens are read from standard input, one a line, and never from the command line, where \
            everybody on the machine could read them. Answers go to standard output in the same order, one line for \
            each; a line that failed is '!code'.

            Exit codes: 0 all is well or filed for a second person, 64 wrong usage, 65 some lines failed or the command \
            was refused, 69 nothing answers, 73 something would be replaced, 74 input or output failed, 75 try again \
            later, 77 denied, 78 wrong configuration.
            """,
        version: Strongroom.version,
        groupedSubcommands: [
            CommandGroup(
                name: "Operator",
                subcommands: [
                    InitCommand.self, StatusCommand.self, ClientsCommand.self, ConfigCommand.self, CertsCommand.self,
                    VerifyCommand.self, FreezeCommand.self, UnfreezeCommand.self, HoneyCommand.self, MFACommand.self,
                ]),
            CommandGroup(name: "Audit", subcommands: [AuditCommand.self, ReportCommand.self]),
            CommandGroup(
                name: "Key",
                subcommands: [
                    KeysCommand.self, JobsCommand.self, PendingListCommand.self, ApproveCommand.self,
                    RejectCommand.self, SealCommand.self, UnsealCommand.self, SharesCommand.self,
                ]),
            CommandGroup(
                name: "Card and token",
                subcommands: [
                    TokenizeCommand.self, DetokenizeCommand.self, InspectCommand.self, FindCommand.self,
                    FingerprintCommand.self, ForgetCommand.self, IsTokenCommand.self,
                ]),
        ])
}

@main
enum Main {
    static func main() async {
        StandardDescriptors.secure()
        // A reader that goes away is an error of a write, not a silent death.
        signal(SIGPIPE, SIG_IGN)
        do throws(HardeningError) {
            try ProcessHardening.apply()
        } catch {
            Failure(.osError, "this process cannot be protected from core dumps").report()
            exit(ExitStatus.osError.rawValue)
        }
        if CommandLineCards.areThere(CommandLine.arguments) {
            Failure(.usage, CommandLineCards.message).report()
            exit(ExitStatus.usage.rawValue)
        }
        await StrongroomCommand.main()
    }
}
