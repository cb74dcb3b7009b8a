import ArgumentParser
import Glibc
import VaultServer

/// Where the daemon's control socket is.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's configuration file; its 'listen.control' is used.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The control socket (default: /run/strongroom/control.sock).", valueName: "socket"))
    var control: String?

    @OptionGroup var noWords: NoWords

    func validate() throws {
        guard config == nil || control == nil else { throw ValidationError("give --config or --control, not both") }
    }

    /// Connects to it.
    func connect() throws(Failure) -> ControlSocket {
        if let control { return try ControlSocket(path: control) }
        return try ControlSocket(path: try Self.load(config)?.listen.control.absolute ?? Self.defaultSocket)
    }

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
