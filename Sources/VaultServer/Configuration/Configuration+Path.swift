extension Configuration {
    /// A file or directory the configuration names.
    package struct Path: Sendable, Hashable {
        /// What the file says.
        package var written: String
        /// The absolute path; a relative one resolves against the configuration file's directory.
        package var absolute: String

        /// The path `written`, at `absolute`.
        package init(written: String, absolute: String) {
            self.written = written
            self.absolute = absolute
        }

        /// The placeholder of a mandatory path before it is read.
        static let unset = Path(written: "", absolute: "")

        /// The same place, however it is written.
        package static func == (left: Self, right: Self) -> Bool {
            left.absolute == right.absolute
        }

        package func hash(into hasher: inout Hasher) {
            hasher.combine(absolute)
        }
    }
}

extension ConfigurationType<Configuration.Path> {
    /// A path of at most 4095 bytes, absolute or relative to the configuration file.
    static let path = ConfigurationType { node, path, decoder in
        let type = ConfigurationType<String>.text(bytesMax: 4095)
        guard let written = type.parse(node, path, &decoder) else { return nil }
        if written.hasPrefix("~") {
            decoder.report(path, "'~' is not expanded; write the directory out", at: node.position)
            return nil
        }
        return .init(written: written, absolute: absolutePath(written, in: decoder.directory))
    }
}

/// `path` made absolute against `directory`, without `.` components and doubled slashes; `..` is left to the system,
/// which alone knows about symbolic links.
func absolutePath(_ path: String, in directory: String) -> String {
    let full = path.hasPrefix("/") ? path : "\(directory)/\(path)"
    return "/" + full.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
}
