import Glibc
import VaultServer

/// The `client` section of a small YAML file. Relative paths start at its directory.
struct ClientFile {
    private(set) var server: String?
    private(set) var serverName: String?
    private(set) var cert: String?
    private(set) var key: String?
    private(set) var cacert: String?

    static let defaultText = "~/.config/strongroom/client.yaml"
    private static let bytesMax = 64 << 10

    /// The file that was named, or the default one; an empty value where that does not exist.
    static func load(_ named: String?) throws(Failure) -> ClientFile {
        if let named { return try ClientFile(path: named) }
        guard let home = Terminal.environment("HOME") else { return ClientFile() }
        let path = home + "/.config/strongroom/client.yaml"
        return unsafe access(path, F_OK) == 0 ? try ClientFile(path: path) : ClientFile()
    }

    private init() {}

    private init(path: String) throws(Failure) {
        let text = try Self.text(path)
        var problems: [ConfigurationProblem] = []
        let root = ConfigurationNode.parse(yaml: text, file: path, problems: &problems)
        if let problem = problems.first { throw Failure(.configuration, "\(problem)") }
        guard case .section(let sections)? = root?.content, sections.count == 1, sections[0].key == "client",
            case .section(let entries) = sections[0].value.content
        else { throw Failure(.configuration, "\(path): a client file has one section, 'client:'") }
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        for entry in entries {
            let place = "\(path):\(entry.position.line): client.\(entry.key)"
            guard case .scalar(let value, _) = entry.value.content, !value.isEmpty else {
                throw Failure(.configuration, "\(place): must be text")
            }
            let file = value.hasPrefix("/") ? value : directory + value
            switch entry.key {
            case "server":
                server =
                    value.hasPrefix("unix:") && !value.hasPrefix("unix:/")
                    ? "unix:" + directory + value.dropFirst(5) : value
            case "server_name": serverName = value
            case "cert": cert = file
            case "key": key = file
            case "cacert": cacert = file
            default:
                throw Failure(.configuration, "\(place): unknown key; there are server, server_name, cert, key, cacert")
            }
        }
    }

    private static func text(_ path: String) throws(Failure) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(.configuration, "\(path): \(systemText(errno))") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw Failure(.configuration, "\(path): \(systemText(errno))") }
        guard count < bytesMax else { throw Failure(.configuration, "\(path): too long for a client file") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
