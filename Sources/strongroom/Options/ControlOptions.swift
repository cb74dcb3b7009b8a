import ArgumentParser
import Glibc
import VaultServer

/// Where the daemon's control socket is, for commands that take options alone.
struct ControlOptions: ParsableArguments {
    @OptionGroup var place: ControlPlace

    @OptionGroup var noWords: NoWords

    /// The daemon.
    func endpoint() throws(Failure) -> ControlEndpoint { try place.endpoint() }
}

/// Where the daemon's control socket is.
struct ControlPlace: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's configuration file; its 'listen.control' is used.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The control socket (default: /run/strongroom/control.sock).", valueName: "socket"))
    var control: String?

    func validate() throws {
        guard config == nil || control == nil else { throw ValidationError("give --config or --control, not both") }
    }

    /// The daemon.
    func endpoint() throws(Failure) -> ControlEndpoint {
        if let control { return ControlEndpoint(path: control) }
        return ControlEndpoint(
            path: try ControlOptions.load(config)?.listen.control.absolute ?? ControlOptions.defaultSocket)
    }
}

extension ControlOptions {
    /// The configuration that was named; without one the default file, where it can be read.
    static func load(_ named: String?) throws(Failure) -> Configuration? {
        guard let path = named ?? (unsafe access(defaultConfiguration, R_OK) == 0 ? defaultConfiguration : nil) else {
            return nil
        }
        do throws(ConfigurationProblems) {
            return try Configuration.load(path: path)
        } catch {
            throw Failure(.configuration, error.description)
        }
    }

    static let defaultConfiguration = "/etc/strongroom/strongroom.yaml"
    static let defaultSocket = Configuration.Listen().control.absolute
}
