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

            'root_key' in the configuration says where the root key is. A file is made, and so is a key in a token. A \
            credential has to be there ($CREDENTIALS_DIRECTORY). Shares are handed out before the vault exists: on a terminal one at a time, the \
            screen cleared in between; with --output-dir each in a file of its own; in a pipe as lines \
            'NUMBER<tab>NAME<tab>SHARE'.
            """)

    @Option(help: ArgumentHelp("The daemon's configuration file.", valueName: "file"))
    var config = ControlOptions.defaultConfiguration

    @OptionGroup var shares: ShareOptions

    @OptionGroup var noWords: NoWords

    func perform() async throws(Failure) {
        let settings: Configuration
        do throws(ConfigurationProblems) {
            settings = try Configuration.loadChecked(path: config, isFirstStart: true, further: ServiceChecks.problems)
        } catch {
            throw Failure(.configuration, error.description)
        }
        let plan = try plan(settings.rootKey)
        let vault = try VaultPreparation(directory: settings.data.absolute, root: plan).perform()
        for line in vault.made { try say(line, plan) }
        try say(
            """

            The vault \(vault.id) is ready. \(advice(plan, settings.data.absolute))

            Next: strongroomd --config \(config)
            """, plan)
    }

    private func plan(_ rootKey: Configuration.RootKey) throws(Failure) -> RootPlan {
        guard case .shares(let wanted) = rootKey else {
            guard shares.isEmpty else {
                throw Failure(.usage, "--custodian and --output-dir go with 'root_key: {shares: ...}'")
            }
            switch rootKey {
            case .file(let path): return .file(path.absolute)
            case .credential(let name): return .credential(name)
            case .pkcs11(let token): return .token(token)
            case .shares: throw Failure(.software, "shares are made elsewhere")
            }
        }
        if let problem = CustodianNames.problem(shares.custodian, count: wanted.count) {
            throw Failure(.usage, problem)
        }
        let handout = try shares.handout()
        Interruption.holdBack()
        return .shares(
            ShareDistribution(
                threshold: wanted.threshold, count: wanted.count,
                custodians: CustodianNames.filled(shares.custodian, count: wanted.count), handout: handout))
    }

    /// In a pipe, standard output has shares alone.
    private func say(_ text: String, _ plan: RootPlan) throws(Failure) {
        if case .shares(let distribution) = plan, case .pipe = distribution.handout {
            Terminal.complain(text)
        } else {
            try Terminal.print(text)
        }
    }

    private func advice(_ plan: RootPlan, _ data: String) -> String {
        switch plan {
        case .file(let path):
            """
            Keep a copy of \(path) away from this machine and from the
            backups of \(data): without it no card can be read, and with both anybody can.
            """
        case .credential(let name):
            """
            Keep a copy of the root key in the credential \(name) away from this
            machine and from the backups of \(data): without it no card can be read, and with both anybody can.
            """
        case .token(let token):
            """
            Its root key opens with the key '\(token.key)' in the
            token '\(token.token)' alone: have a second token with a copy of that key, or another way back.
            """
        case .shares(let shares):
            """
            It starts sealed: 'strongroom unseal' takes any \(shares.threshold) of the
            \(shares.count) shares. With fewer of them left no card can be read. When the custodians have signed, record that:
            strongroom shares acknowledge NAME
            """
        }
    }
}
