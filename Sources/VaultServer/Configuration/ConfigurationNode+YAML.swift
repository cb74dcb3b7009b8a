import Yams

extension ConfigurationNode {
    /// Reads one YAML document into a plain tree. The only code that knows the YAML library.
    ///
    /// Anchors, aliases, tags, merge keys, keys that are not text and nesting deeper than `depthMax` are problems, each
    /// at its place; a syntax error ends the reading and is the last problem. Returns nil when there is no tree to
    /// decode; an empty document is an empty section. A key written twice stays twice: the decoder reports it.
    package static func parse(
        yaml: String, file: String, problems: inout [ConfigurationProblem]
    ) -> ConfigurationNode? {
        var text = yaml
        var restored: [ConfigurationPosition: String] = [:]
        while true {
            do {
                let root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
                guard let root else {
                    return ConfigurationNode(content: .section([]), position: .init(line: 1, column: 1))
                }
                var reader = TreeReader(file: file, lines: SourceLines(yaml), restored: restored, problems: problems)
                defer { problems = reader.problems }
                return reader.node(root, depth: 0)
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                // The library stops at the first repeated key. Every problem is wanted in one run, so the first of the
                // two is renamed (same width, no place moves) and the file read again; the tree gets the name back.
                let place = ConfigurationPosition(line: context.mark.line, column: context.mark.column)
                guard restored.count < duplicatesMax, let key = keys.first, !key.isEmpty,
                    let renamed = SourceLines(text).renamingKey(at: place, serial: restored.count)
                else {
                    problems.append(
                        .init(file: file, position: place, keyPath: keys.first ?? "", message: "the key is set twice"))
                    return nil
                }
                restored[place] = key
                text = renamed
            } catch {
                problems.append(syntaxProblem(error, file: file, lines: SourceLines(yaml)))
                return nil
            }
        }
    }

    /// The library's complaint as one of ours.
    private static func syntaxProblem(
        _ error: any Error, file: String, lines: SourceLines
    ) -> ConfigurationProblem {
        var position: ConfigurationPosition?
        var message = "is not valid YAML"
        if let error = error as? YamlError {
            switch error {
            case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
                .composer(let context, let problem, let mark, _):
                position = .init(line: mark.line, column: mark.column)
                message = "not valid YAML: " + [context?.text, problem].compactMap { $0 }.joined(separator: ", ")
                if problem.contains("another document") {
                    message = "a second document starts here; a configuration is one document"
                } else if problem.contains("undefined alias") {
                    message = "YAML aliases are not accepted; write the value out"
                } else if lines.hasTab(in: mark.line, before: mark.column) {
                    message += " (there is a tab here; indent with spaces)"
                }
            case .reader(let problem, _, _, _):
                message = "not valid YAML: \(problem)"
            default:
                break
            }
        }
        return .init(file: file, position: position, keyPath: "", message: message)
    }
}

/// Each repeated key costs another reading of the file; beyond this many the first of the rest ends it.
private let duplicatesMax = 32

/// Nesting that no configuration needs; `clients[].certificate.dns` is 4 deep.
private let depthMax = 16

/// Turns the library's tree into ours and refuses what a configuration has no use for.
private struct TreeReader {
    let file: String
    let lines: SourceLines
    let restored: [ConfigurationPosition: String]
    var problems: [ConfigurationProblem]

    /// The node, or nil when it was refused (reported).
    mutating func node(_ node: Node, depth: Int) -> ConfigurationNode? {
        let position = ConfigurationPosition(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        // An event begins at its anchor or tag, and no plain scalar begins with these characters. An alias yields the
        // anchored node again, so refusing that node here also keeps nested aliases from being followed.
        switch lines.scalar(at: position) {
        case "&": return refuse(position, "YAML anchors and aliases are not accepted; write the value out")
        case "!": return refuse(position, "YAML tags are not accepted")
        default: break
        }
        guard depth < depthMax else { return refuse(position, "nested deeper than \(depthMax) levels") }

        switch node {
        case .scalar(let scalar):
            let isQuoted = scalar.style != .plain && scalar.style != .any
            return .init(content: .scalar(scalar.string, isQuoted: isQuoted), position: position)
        case .sequence(let sequence):
            return .init(content: .list(sequence.compactMap { self.node($0, depth: depth + 1) }), position: position)
        case .mapping(let mapping):
            var entries: [ConfigurationNode.Entry] = []
            for (key, value) in mapping {
                if let entry = entry(key, value, depth: depth + 1) { entries.append(entry) }
            }
            return .init(content: .section(entries), position: position)
        case .alias:
            return refuse(position, "YAML aliases are not accepted; write the value out")
        }
    }

    private mutating func entry(_ key: Node, _ value: Node, depth: Int) -> ConfigurationNode.Entry? {
        guard let name = self.node(key, depth: depth) else { return nil }
        guard case .scalar(let text, _) = name.content else {
            return refuse(name.position, "a key must be plain text")
        }
        guard text != "<<" else { return refuse(name.position, "YAML merge keys are not accepted; write the keys out") }
        guard let content = self.node(value, depth: depth) else { return nil }
        return .init(key: restored[name.position] ?? text, position: name.position, value: content)
    }

    private mutating func refuse<Result>(_ position: ConfigurationPosition, _ message: String) -> Result? {
        problems.append(.init(file: file, position: position, keyPath: "", message: message))
        return nil
    }
}
