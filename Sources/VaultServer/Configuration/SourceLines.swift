/// The text of a configuration file by line and column, for the questions its syntax tree cannot answer.
struct SourceLines {
    private var lines: [[Unicode.Scalar]]

    /// Splits `text` where YAML does: at line feeds, carriage returns and their pair.
    init(_ text: String) {
        lines = [[]]
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\n" && previous == "\r" {
                // The pair is one line break, already counted.
            } else if scalar == "\n" || scalar == "\r" || scalar == "\u{85}" || scalar == "\u{2028}"
                || scalar == "\u{2029}"
            {
                lines.append([])
            } else {
                lines[lines.count - 1].append(scalar)
            }
            previous = scalar
        }
    }

    /// The character at `position`, nil beyond the end of its line.
    func scalar(at position: ConfigurationPosition) -> Unicode.Scalar? {
        guard lines.indices.contains(position.line - 1) else { return nil }
        let line = lines[position.line - 1]
        return line.indices.contains(position.column - 1) ? line[position.column - 1] : nil
    }

    /// Whether `line` has a tab at or before `column`.
    func hasTab(in line: Int, before column: Int) -> Bool {
        guard lines.indices.contains(line - 1) else { return false }
        return lines[line - 1].prefix(column).contains("\t")
    }

    /// The text with the key at `position` made different from every other, by putting a private-use character in place
    /// of its first one; nothing moves. Nil when there is no character to replace (an empty or a composite key).
    func renamingKey(at position: ConfigurationPosition, serial: Int) -> String? {
        guard var first = scalar(at: position), let mark = Unicode.Scalar(UInt32(0xE000 + serial)) else { return nil }
        var column = position.column
        if first == "\"" || first == "'" {
            column += 1
            guard let inner = scalar(at: .init(line: position.line, column: column)) else { return nil }
            first = inner
        }
        guard !"\"'[]{}?&*!|>%@`\\".unicodeScalars.contains(first) else { return nil }
        var copy = self
        copy.lines[position.line - 1][column - 1] = mark
        var text = String.UnicodeScalarView()
        for line in copy.lines {
            text.append(contentsOf: line)
            text.append("\n")
        }
        return String(text)
    }
}
