import Glibc

/// The files of this package as text, for tests that compare one with another.
enum Repository {
    /// The package's directory, from the place of this file.
    static let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")

    /// A file's text by its path below the package; nil where there is none.
    static func text(_ path: String) -> String? {
        guard let file = unsafe fopen("\(root)/\(path)", "rb") else { return nil }
        defer { _ = unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // `fread` writes at most the bytes the array has.
            let count = unsafe fread(&chunk, 1, chunk.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[0..<count]
        }
    }

    /// Paths, below the package, of all files under a directory whose names end so; sorted.
    static func files(below directory: String, suffix: String) -> [String] {
        (walk(directory, suffix) ?? []).sorted()
    }

    /// Nil for a path that is no directory.
    private static func walk(_ directory: String, _ suffix: String) -> [String]? {
        guard let handle = unsafe opendir("\(root)/\(directory)") else { return nil }
        defer { unsafe closedir(handle) }
        var found: [String] = []
        while let entry = unsafe readdir(handle) {
            // The C library ends names with a zero byte inside the array.
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            let path = "\(directory)/\(name)"
            if let below = walk(path, suffix) {
                found += below
            } else if name.hasSuffix(suffix) {
                found.append(path)
            }
        }
        return found
    }
}

/// The keys of a YAML or other indented document as paths, `paths//v1/tokenize/post`, each with what follows its colon.
///
/// Reads the plain block style that our own documents are written in: two or more spaces a level, one key a line, lists of
/// scalars. Nothing else of YAML.
struct Outline {
    /// Values by path; an item of a list is at `path/[]`.
    private(set) var values: [String: [String]] = [:]
    /// Keys below a path, in order.
    private(set) var children: [String: [String]] = [:]

    init(_ text: String) {
        var open: [(indent: Int, path: String)] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            let indent = line.prefix { $0 == " " }.count
            var rest = line.dropFirst(indent)
            if rest.isEmpty || rest.hasPrefix("#") { continue }
            while let last = open.last, last.indent >= indent { open.removeLast() }
            let parent = open.last?.path ?? ""
            if rest.hasPrefix("- ") {
                rest = rest.dropFirst(2)
                values["\(parent)/[]", default: []].append(Self.unquoted(rest))
                continue
            }
            guard let colon = Self.colon(in: rest) else { continue }
            let key = Self.unquoted(rest[..<colon])
            let path = parent.isEmpty ? key : "\(parent)/\(key)"
            children[parent, default: []].append(key)
            values[path] = [Self.unquoted(rest[rest.index(after: colon)...])]
            open.append((indent, path))
        }
    }

    func keys(_ path: String) -> [String] { children[path] ?? [] }

    func items(_ path: String) -> [String] { values["\(path)/[]"] ?? [] }

    func value(_ path: String) -> String? { values[path]?.first }

    /// The colon that ends a key: the last character of the line, or followed by a space.
    private static func colon(in text: Substring) -> Substring.Index? {
        text.indices.first { index in
            guard text[index] == ":" else { return false }
            let next = text.index(after: index)
            return next == text.endIndex || text[next] == " "
        }
    }

    private static func unquoted(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        if text.count > 1, let quote = text.first, quote == "\"" || quote == "'", text.last == quote {
            text = text.dropFirst().dropLast()
        }
        return String(text)
    }
}
