/// A place in a configuration file. Lines and columns count from 1; columns count Unicode scalars, as libyaml does.
package struct ConfigurationPosition: Sendable, Hashable, Comparable {
    /// The line, from 1.
    package var line: Int
    /// The column, from 1.
    package var column: Int

    /// The place at `line` and `column`, both from 1.
    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Earlier in the file comes first.
    package static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One thing wrong with a configuration: where, under which key, and what, in words for the person who wrote the file.
package struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
    /// The configuration file, named as the caller named it.
    package var file: String
    /// Where in the file; nil when the problem is the file itself (missing, too large, unreadable).
    package var position: ConfigurationPosition?
    /// The path of the key, such as `formats.cards.keep` or `clients[1].allow`; empty when no key is meant.
    package var keyPath: String
    /// What is wrong and, where it helps, what to write instead. Never a card number or key: the file holds neither.
    package var message: String

    /// A problem under `keyPath`, at `position` in `file`.
    package init(file: String, position: ConfigurationPosition?, keyPath: String, message: String) {
        self.file = file
        self.position = position
        self.keyPath = keyPath
        self.message = message
    }

    /// `strongroom.yaml:12:3: formats.cards.kep: unknown key, did you mean 'keep'?`, without the parts that are absent.
    package var description: String {
        var text = file
        if let position { text += ":\(position.line):\(position.column)" }
        if !keyPath.isEmpty { text += ": \(keyPath)" }
        return text + ": \(message)"
    }
}

/// Everything wrong with a configuration, found in one pass and sorted by place. Never empty when thrown.
package struct ConfigurationProblems: Error, Sendable, Equatable, CustomStringConvertible {
    /// The problems in file order; those of the file as a whole come first. None is reported twice.
    package let problems: [ConfigurationProblem]

    /// Sorts `problems` by place and drops repetitions.
    package init(_ problems: [ConfigurationProblem]) {
        var seen = Set<ConfigurationProblem>()
        let unique = problems.filter { seen.insert($0).inserted }
        let start = ConfigurationPosition(line: 0, column: 0)
        self.problems = unique.enumerated().sorted { left, right in
            (left.element.position ?? start, left.offset) < (right.element.position ?? start, right.offset)
        }.map(\.element)
    }

    /// One problem per line, no trailing newline.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
