/// What `strongroom.yaml` says: every option of the daemon, read strictly, with safe defaults.
///
/// A value that exists passed every check that needs the file alone; `fileProblems` looks at the machine. Immutable once loaded and free to pass between threads.
package struct Configuration: ConfigurationSection {
    /// A label for logs and metrics that tells this deployment from others.
    package var deployment = "strongroom"
    /// The data directory: `vault/`, `keyring` and `audit/` live in it. Mandatory.
    package var data = Path.unset
    /// The addresses the daemon listens on.
    package var listen = Listen()
    /// The server's certificate and the authority of its clients.
    package var tls = TLS()
    /// Where the root key comes from. Mandatory.
    package var rootKey = RootKey.file(.unset)
    /// The token formats, in file order; at least one.
    package var formats: [Format] = []
    /// The format of a request that names none; nil refuses such requests.
    package var defaultFormat: String?
    /// Who may call, in file order. Empty means nobody.
    package var clients: [Client] = []
    /// Who may operate the vault, in file order. Empty means root and the daemon's own user.
    package var operators: [Operator] = []
    /// The embedded database.
    package var store = Store()
    /// Threads.
    package var threads = Threads()
    /// Bounds on what one caller may ask for.
    package var limits = Limits()
    /// How long the daemon waits for a caller.
    package var timeouts = Timeouts()
    /// The log.
    package var log = Log()
    /// The audit trail.
    package var audit = Audit()
    /// The operators' socket.
    package var control = Control()
    /// How long keys live, and how they are replaced.
    package var keys = Keys()
    /// Commands that need a second person.
    package var dualControl: [DualControlled] = []
    /// Where the options were read from; takes no part in comparing configurations.
    package var source = ConfigurationSource()

    /// Everything at its default, mandatory options unset.
    package init() {}

    package static let fields: [ConfigurationField<Configuration>] = [
        .value("deployment", \.deployment, .text(bytesMax: 64), reload: .restart),
        .value("data", \.data, .path, required: true, reload: .restart),
        .section("listen", \.listen, required: true),
        .section("tls", \.tls, required: true),
        .oneOf("root_key", \.rootKey, RootKey.alternatives, required: true, needsRestart: true),
        .named("formats", \.formats, key: \.name, required: true),
        .value("default_format", \.defaultFormat, ConfigurationType.name.map { $0 }),
        .list("clients", \.clients),
        .list("operators", \.operators),
        .section("store", \.store),
        .section("threads", \.threads),
        .section("limits", \.limits),
        .section("timeouts", \.timeouts),
        .section("log", \.log),
        .section("audit", \.audit),
        .section("control", \.control),
        .section("keys", \.keys),
        .value("dual_control", \.dualControl, .list(of: .word)),
    ]

    /// The path of every option there is, such as `listen.tcp`, `formats.*.keep` or `clients[].allow`.
    package static let optionPaths: [String] = Configuration.paths(under: "")

    /// The format called `name`.
    package func format(named name: String) -> Format? {
        formats.first { $0.name == name }
    }
}

/// Where a configuration was read from: for problems found later, and for resolving paths.
///
/// Two configurations that say the same are equal wherever they were read, so all values of this type are equal.
package struct ConfigurationSource: Sendable, Equatable {
    /// The file as the caller named it.
    package var file = ""
    /// The absolute directory that relative paths resolve against.
    package var directory = ""
    /// Where each key stands, by path.
    package var positions: [String: ConfigurationPosition] = [:]

    package static func == (left: Self, right: Self) -> Bool { true }

    /// A problem under `path`, placed where the key, or the nearest section above it, stands.
    func problem(_ path: String, _ message: String) -> ConfigurationProblem {
        .init(file: file, position: positions.position(of: path), keyPath: path, message: message)
    }
}
