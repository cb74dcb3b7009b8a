/// Reads a tree into configuration sections, collecting every problem instead of stopping at the first.
package struct ConfigurationDecoder {
    /// The file's name for problems.
    let file: String
    /// The absolute directory that relative paths resolve against, without a trailing slash (empty for the root).
    let directory: String
    /// Where each key that was read stands, by path (`clients[0].allow[1]` for a list element).
    var positions: [String: ConfigurationPosition] = [:]
    /// What was found wrong so far.
    var problems: [ConfigurationProblem] = []

    /// Notes a problem under `path`, at `position` or else where the key, or the nearest section above it, stands.
    mutating func report(_ path: String, _ message: String, at position: ConfigurationPosition? = nil) {
        problems.append(
            .init(file: file, position: position ?? self.position(of: path), keyPath: path, message: message))
    }

    /// Where `path`, or else the nearest section above it, stands; the top of the file if neither was written.
    func position(of path: String) -> ConfigurationPosition {
        positions.position(of: path)
    }

    /// Whether anything under `path` was reported.
    func hasProblem(under path: String) -> Bool {
        problems.contains { $0.keyPath == path || $0.keyPath.hasPrefix(path + ".") || $0.keyPath.hasPrefix(path + "[") }
    }

    /// Reads a section over its defaults; an empty one (`limits:`) leaves them. False when anything in it was wrong.
    @discardableResult
    mutating func decode<Section: ConfigurationSection>(
        _ node: ConfigurationNode, into section: inout Section, at path: String
    ) -> Bool {
        let before = problems.count
        guard let entries = entries(of: node, at: path) else { return false }
        var seen = Set<String>()
        for entry in entries {
            let entryPath = path.isEmpty ? entry.key : "\(path).\(entry.key)"
            guard let field = Section.fields.first(where: { $0.name == entry.key }) else {
                reportUnknown(entry, entryPath, among: Section.fields.map(\.name))
                continue
            }
            guard noteFirst(entry, entryPath, &seen) else { continue }
            field.decode(entry.value, entryPath, &section, &self)
        }
        for field in Section.fields where field.isRequired && !seen.contains(field.name) {
            report(path.isEmpty ? field.name : "\(path).\(field.name)", "is missing and has no default")
        }
        if problems.count == before { section.validate(at: path, in: &self) }
        return problems.count == before
    }

    /// Reads the sections under chosen names.
    mutating func decodeNamed<Section: ConfigurationSection>(
        _ node: ConfigurationNode, key: WritableKeyPath<Section, String>, at path: String
    ) -> [Section] {
        guard let entries = entries(of: node, at: path) else { return [] }
        if entries.isEmpty { report(path, "must name at least one") }
        var seen = Set<String>()
        return entries.compactMap { entry in
            let entryPath = "\(path).\(entry.key)"
            guard noteFirst(entry, entryPath, &seen) else { return nil }
            if !isConfigurationName(entry.key) {
                report(entryPath, "is not a name: \(configurationNameRule)")
            }
            var section = Section()
            section[keyPath: key] = entry.key
            decode(entry.value, into: &section, at: entryPath)
            return section
        }
    }

    /// Reads a list of sections.
    mutating func decodeList<Section: ConfigurationSection>(_ node: ConfigurationNode, at path: String) -> [Section] {
        elements(of: node, at: path).enumerated().map { index, element in
            let elementPath = "\(path)[\(index)]"
            positions[elementPath] = element.position
            var section = Section()
            decode(element, into: &section, at: elementPath)
            return section
        }
    }

    /// Reads a section that must name exactly one of `alternatives`.
    mutating func decode<Value>(
        _ node: ConfigurationNode, oneOf alternatives: [ConfigurationAlternative<Value>], at path: String
    ) -> Value? {
        let names = alternatives.map(\.name)
        let expected = names.map { "'\($0)'" }.joined(separator: ", ")
        guard let entries = entries(of: node, at: path) else { return nil }
        var seen = Set<String>()
        var value: Value?
        for entry in entries {
            let entryPath = "\(path).\(entry.key)"
            guard let alternative = alternatives.first(where: { $0.name == entry.key }) else {
                reportUnknown(entry, entryPath, among: names)
                continue
            }
            guard noteFirst(entry, entryPath, &seen) else { continue }
            let read = alternative.decode(entry.value, entryPath, &self)
            if seen.count > 1 {
                report(path, "set only one of \(expected)", at: entry.position)
            } else {
                value = read
            }
        }
        if entries.isEmpty { report(path, "must set one of \(expected)", at: node.position) }
        return value
    }

    /// The elements of a list; anything else is reported and gives none.
    mutating func elements(of node: ConfigurationNode, at path: String) -> [ConfigurationNode] {
        if case .list(let elements) = node.content { return elements }
        report(path, "must be a list such as [a, b], not \(node.kind)", at: node.position)
        return []
    }

    private mutating func entries(of node: ConfigurationNode, at path: String) -> [ConfigurationNode.Entry]? {
        if case .section(let entries) = node.content { return entries }
        if node.isEmpty { return [] }
        report(path, "must be a section of keys, not \(node.kind)", at: node.position)
        return nil
    }

    /// Notes the place of a key's first occurrence; reports a second one.
    private mutating func noteFirst(
        _ entry: ConfigurationNode.Entry, _ path: String, _ seen: inout Set<String>
    ) -> Bool {
        guard seen.insert(entry.key).inserted else {
            report(path, "is set twice, first on line \(position(of: path).line)", at: entry.position)
            return false
        }
        positions[path] = entry.position
        return true
    }

    private mutating func reportUnknown(_ entry: ConfigurationNode.Entry, _ path: String, among known: [String]) {
        var message = "unknown key"
        if let suggestion = closestName(to: entry.key, among: known) {
            message += ", did you mean '\(suggestion)'?"
        } else {
            let elsewhere = Configuration.optionPaths.filter { $0.hasSuffix(".\(entry.key)") }
            if elsewhere.count == 1 { message += "; there is '\(elsewhere[0])'" }
        }
        report(path, message, at: entry.position)
    }
}

extension [String: ConfigurationPosition] {
    /// The place of `path` or of the nearest section above it; the top of the file if neither was written.
    func position(of path: String) -> ConfigurationPosition {
        var path = Substring(path)
        while true {
            if let position = self[String(path)] { return position }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return .init(line: 1, column: 1) }
            path = path[..<end]
        }
    }
}
