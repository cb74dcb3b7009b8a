import ArgumentParser
import Glibc
import VaultCore
import VaultServer

struct InitCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Prepare what a configuration names: data directory, root key, keyring.",
        discussion: """
            Run it once for a new vault, as the user the daemon runs as. It replaces nothing: where there is a keyring \
            already it stops, since a new one would make every stored card unreadable.
            """)

    @Option(help: ArgumentHelp("The daemon's configuration file.", valueName: "file"))
    var config = ControlOptions.defaultConfiguration

    @OptionGroup var noWords: NoWords

    func perform() async throws(Failure) {
        let settings: Configuration
        do throws(ConfigurationProblems) {
            settings = try Configuration.loadChecked(path: config, isFirstStart: true, further: ServiceChecks.problems)
        } catch {
            throw Failure(.configuration, error.description)
        }
        guard case .file(let rootKey) = settings.rootKey else {
            throw Failure(.configuration, "\(config): root_key: this version makes root keys in files")
        }
        let vault = try VaultPreparation(directory: settings.data.absolute, rootKey: rootKey.absolute).perform()
        for line in vault.made { try Terminal.print(line) }
        try Terminal.print(
            """

            The vault \(vault.id) is ready. Keep a copy of \(rootKey.absolute) away from this machine and from the
            backups of \(settings.data.absolute): without it no card can be read, and with both anybody can.

            Next: strongroomd --config \(config)
            """)
    }
}
