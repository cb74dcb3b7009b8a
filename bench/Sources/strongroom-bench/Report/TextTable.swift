/// A table for a terminal and for Markdown: the first column is text, the others are figures.
struct TextTable {
    let head: [String]
    let rows: [[String]]

    /// Columns side by side.
    var text: String {
        let all = [head] + rows
        let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + space : space + cell
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// For a results file.
    var markdown: String {
        let rule = "|---|" + head.dropFirst().map { _ in "---:|" }.joined()
        let lines = ([head] + rows).map { "| " + $0.joined(separator: " | ") + " |" }
        return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
    }
}
