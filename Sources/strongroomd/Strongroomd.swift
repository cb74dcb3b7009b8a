import ArgumentParser
import Glibc
import Logging
import SecretMemory
import UnixSignals
import VaultServer

/// The daemon's command line: flags, signals and exit codes; everything else is VaultServer.
@main
struct Strongroomd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strongroomd", abstract: "The Strongroom payment tokenization vault daemon.",
        version: Strongroom.version)

    @Option(help: "The configuration file.")
    var config = "/etc/strongroom/strongroom.yaml"

    @Flag(help: "Check the configuration, report every problem, and exit 0 or 78.")
    var checkConfig = false

    func run() async throws {
        let settings: Configuration
        do throws(ConfigurationProblems) {
            settings = try Configuration.loadChecked(path: config, further: ServiceChecks.problems)
        } catch {
            complain(error.description)
            throw ExitCode(78)
        }
        if checkConfig {
            for note in ServiceChecks.notes(settings) { print("\(config): note: \(note)") }
            print("\(config): no problems")
            return
        }
        do throws(StartupError) {
            try await serve(settings)
        } catch {
            complain("strongroomd: \(error.message)")
            throw ExitCode(error.exitCode)
        }
    }

    private func serve(_ settings: Configuration) async throws(StartupError) {
        try Hardening.apply()
        // Before anything can be asked to stop or reload: what comes meanwhile waits.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let level = LogLevelBox(Logger.Level(settings.log.level))
        let isJSON = settings.log.format == .json
        let logger = Logger(label: "strongroomd") { _ in LogOutput(level: level, isJSON: isJSON) }
        let service = try await VaultService(
            settings, logger: logger, logLevel: level, openFilesMax: Hardening.raiseOpenFiles())
        service.announce()
        var isStopping = false
        for await signal in signals {
            switch signal {
            case .sighup:
                // Refusals are logged where they happen; the old configuration stays.
                try? service.reload()
            case _ where isStopping:
                service.hurry()
            default:
                isStopping = true
                Task {
                    await service.drain()
                    Glibc.exit(0)
                }
            }
        }
    }

    private func complain(_ text: String) {
        let bytes = Array((text + "\n").utf8)
        _ = unsafe write(2, bytes, bytes.count)
    }
}
