import Glibc

extension Configuration {
    /// Reads the configuration in `path`, with every check that needs the file alone.
    ///
    /// Blocks on file I/O. Relative paths in it resolve against its directory, a relative `path` itself against the
    /// working directory. Throws everything that is wrong, never a part of it.
    package static func load(path: String) throws(ConfigurationProblems) -> Configuration {
        let (configuration, problems) = read(path: path)
        guard let configuration, problems.isEmpty else { throw ConfigurationProblems(problems) }
        return configuration
    }

    /// Reads the configuration in `path` and checks it against this version and this machine as well: what a start, and
    /// `--check-config`, need. `isFirstStart` accepts that `root_key.file` is yet to be made; `further` adds checks that
    /// know more than this folder does. Throws all problems of all checks together.
    package static func loadChecked(
        path: String, isFirstStart: Bool = false, further: (Configuration) -> [ConfigurationProblem] = { _ in [] }
    ) throws(ConfigurationProblems) -> Configuration {
        var (configuration, problems) = read(path: path)
        if let configuration {
            problems += configuration.fileProblems(isFirstStart: isFirstStart)
            problems += further(configuration)
        }
        guard let configuration, problems.isEmpty else { throw ConfigurationProblems(problems) }
        return configuration
    }

    /// Reads a configuration from text. `file` names it in problems; `directory` is absolute.
    package static func parse(
        yaml: String, file: String, directory: String
    ) throws(ConfigurationProblems) -> Configuration {
        let (configuration, problems) = decode(yaml: yaml, file: file, directory: directory)
        guard let configuration, problems.isEmpty else { throw ConfigurationProblems(problems) }
        return configuration
    }

    /// The configuration as far as it can be read, and the problems; nil when there is nothing to go on.
    private static func read(path: String) -> (Configuration?, [ConfigurationProblem]) {
        func failure(_ message: String, _ position: ConfigurationPosition? = nil) -> [ConfigurationProblem] {
            [.init(file: path, position: position, keyPath: "", message: message)]
        }
        let bytes: [UInt8]
        do throws(FileFailure) {
            bytes = try readSmallFile(path, bytesMax: fileBytesMax)
        } catch {
            return (nil, failure(error.message))
        }
        if let (position, message) = firstBadCharacter(in: bytes) { return (nil, failure(message, position)) }
        guard let directory = absoluteDirectory(of: path) else {
            return (nil, failure("the working directory cannot be found: \(errorText(errno))"))
        }
        return decode(yaml: String(decoding: bytes, as: UTF8.self), file: path, directory: directory)
    }

    private static func decode(
        yaml: String, file: String, directory: String
    ) -> (Configuration?, [ConfigurationProblem]) {
        var decoder = ConfigurationDecoder(file: file, directory: directory)
        guard let root = ConfigurationNode.parse(yaml: yaml, file: file, problems: &decoder.problems) else {
            return (nil, decoder.problems)
        }
        var configuration = Configuration()
        decoder.decode(root, into: &configuration, at: "")
        configuration.validateReferences(in: &decoder)
        configuration.source = .init(file: file, directory: directory, positions: decoder.positions)
        return (configuration, decoder.problems)
    }
}

/// More than any configuration needs; keeps a wrong path from filling the memory.
private let fileBytesMax = 1 << 20

/// The directory of `path`, absolute, without a trailing slash.
private func absoluteDirectory(of path: String) -> String? {
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) }
    if path.hasPrefix("/") { return directory }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard unsafe getcwd(&buffer, buffer.count) != nil else { return nil }
    let working = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return directory.map { absolutePath($0, in: working) } ?? working
}

/// The place of the first byte that is not UTF-8 text, and what it is; nil when all are.
private func firstBadCharacter(in bytes: [UInt8]) -> (ConfigurationPosition, String)? {
    var position = ConfigurationPosition(line: 1, column: 1)
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    while true {
        switch decoder.decode(&iterator) {
        case .emptyInput:
            return nil
        case .error:
            return (position, "is not UTF-8 text")
        case .scalarValue("\n"):
            position = .init(line: position.line + 1, column: 1)
        case .scalarValue("\u{FEFF}") where position == .init(line: 1, column: 1):
            return (position, "begins with a byte order mark; save the file as plain UTF-8")
        case .scalarValue(let scalar):
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            if isControl && scalar != "\t" && scalar != "\r" {
                return (position, "holds a control character")
            }
            position.column += 1
        }
    }
}
