import ArgumentParser
import Glibc

struct RewrapCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "rewrap", abstract: "Wrap the keyring under another root key, of the same or another kind.",
        discussion: """
            Records are not touched. The target is one of:

              file:PATH             a file of mode 0600 that the vault's user can read; it is made where it is missing
              credential:NAME       a systemd credential that the running vault has been given
              shares:M/N            N shares, any M of which open the vault; handed out before anything changes
              pkcs11:URI            a key inside a token (RFC 7512), which is made where it is missing:
                                    pkcs11:token=vault;object=root?module-path=/usr/lib/module.so&pin-source=/etc/pin

            The vault then says what to write into its configuration; until that is done it would not start again.
            """)

    @Option(help: ArgumentHelp("The new root key.", valueName: "target"))
    var root: String

    @OptionGroup var shares: ShareOptions

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard let target = RootTarget(root) else {
            throw ValidationError("--root is file:PATH, credential:NAME, shares:M/N or pkcs11:URI")
        }
        guard case .shares(_, let count) = target else {
            guard shares.isEmpty else {
                throw ValidationError("--custodian and --output-dir go with --root shares:M/N")
            }
            return
        }
        try shares.validate(count: count)
        try shares.validate(json: json)
    }

    func perform() async throws(Failure) {
        guard let target = RootTarget(root) else { throw Failure(.usage, "--root is no root key") }
        var text = root
        switch target {
        case .file(let path): text = "file:" + Self.absolute(path)
        case .shares: if !shares.custodian.isEmpty { text += ":" + shares.custodian.joined(separator: ",") }
        case .other: break
        }
        let request = ControlTarget("/v1/keys/rewrap", [("root", [text])])
        let endpoint = try options.endpoint()
        guard case .shares = target else {
            let (text, value) = try endpoint.call("POST", request)
            if json { return try Terminal.print(text) }
            for line in CommandResult(value).lines { try Terminal.print(line) }
            return
        }
        let ceremony = ShareCeremony(endpoint: endpoint, handout: try shares.handout(), json: json)
        try ceremony.perform(request)
    }

    /// The vault has another working directory.
    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let directory = unsafe getcwd(nil, 0) else { return path }
        // `getcwd` made the text, which is ours.
        defer { unsafe free(directory) }
        return unsafe String(cString: directory) + "/" + path
    }
}

/// Where a rewrap goes, as far as it matters here; the vault judges the rest.
enum RootTarget: Equatable {
    case file(String)
    case shares(threshold: Int, count: Int)
    case other

    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = String(text[text.index(after: colon)...])
        guard !rest.isEmpty else { return nil }
        switch text[..<colon] {
        case "file": self = .file(rest)
        case "credential", "pkcs11": self = .other
        case "shares":
            let numbers = rest.split(separator: "/", omittingEmptySubsequences: false)
            guard numbers.count == 2, let threshold = Self.number(numbers[0]), let count = Self.number(numbers[1])
            else {
                return nil
            }
            self = .shares(threshold: threshold, count: count)
        default: return nil
        }
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}
