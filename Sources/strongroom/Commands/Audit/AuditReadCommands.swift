import ArgumentParser
import VaultCore
import VaultServer

extension AuditCommand {
    struct Show: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show records of the log.",
            discussion: """
                A line for each record: when, its number, what was done, by whom, for which purpose, what came of it, \
                and the tokens, as many as the terminal is wide. --json prints the records as they lie in the log.
                """)

        @OptionGroup var wanted: RecordOptions

        @Flag(help: "The records as they lie in the log.")
        var json = false

        @OptionGroup var source: RecordSource

        func perform() async throws(Failure) {
            var output = OutputLines()
            let width = Terminal.isOutputTerminal ? Terminal.width(of: 1) : nil
            let isJSON = json
            let unreadable = try await source.records(wanted) { (line) throws(Failure) in
                try output.add(
                    isJSON ? String(decoding: line.bytes, as: UTF8.self) : RecordView.line(line, width: width))
                // People see each line as it comes.
                if width != nil { try output.flush() }
            }
            try output.flush()
            RecordSource.warn(unreadable)
        }
    }

    struct Export: FailingCommand {
        enum Format: String, ExpressibleByArgument, CaseIterable {
            case jsonl, cef
        }

        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Write records of the log for other programs.",
            discussion: """
                'jsonl' is the records as they lie in the log, and can be verified. 'cef' is ArcSight's Common Event \
                Format for a SIEM; it has room for 4,000 characters of tokens, and says how many there were.
                """)

        @Option(help: ArgumentHelp("jsonl or cef.", valueName: "format"))
        var format = Format.jsonl

        @OptionGroup var wanted: RecordOptions

        @OptionGroup var source: RecordSource

        func perform() async throws(Failure) {
            var output = OutputLines()
            let format = format
            let unreadable = try await source.records(wanted) { (line) throws(Failure) in
                switch format {
                case .jsonl: try output.add(String(decoding: line.bytes, as: UTF8.self))
                case .cef: try output.add(CommonEventFormat.event(line, version: Strongroom.version))
                }
            }
            try output.flush()
            RecordSource.warn(unreadable)
        }
    }
}

/// A record as people read it.
enum RecordView {
    /// Members that have a place of their own, or say nothing to people.
    private static let placed: Set<String> = [
        "seq", "time", "boot", "op", "client", "operator", "purpose", "outcome", "tokens", "chain", "prev", "mac",
        "certificate", "tree", "public",
    ]

    /// One line, cut to a width where there is one.
    static func line(_ line: AuditLine, width: Int?) -> String {
        let who = line.text("client") ?? line.text("operator") ?? "-"
        let moment = line.time.text.prefix(19).replacing("T", with: " ") + "Z"
        var text =
            "\(moment)  \(padded("#\(line.seq)", 8))  \(padded(line.operation, 13))  \(padded(visible(who), 14))  "
            + "\(padded(visible(line.text("purpose") ?? "-"), 10))  \(padded(visible(line.text("outcome") ?? "-"), 7))"
        let tokens = line.tokens("tokens")
        if let asked = line.number("asked") { text += "  \(Figures.count(tokens.count))/\(Figures.count(asked))" }
        for (name, value) in line.members where !placed.contains(name) && name != "asked" {
            switch value {
            case .text(let value): text += "  \(name)=\(visible(value))"
            case .number(let value): text += "  \(name)=\(value)"
            case .numbers(let values): text += "  \(name)=\(values.map { String($0) }.joined(separator: ","))"
            case .texts(let values): text += "  \(name)=\(visible(values.joined(separator: ",")))"
            }
        }
        if !tokens.isEmpty { text += "  " + tokens.map { String($0) }.joined(separator: " ") }
        while text.last == " " { text.removeLast() }
        if let width, text.count > width { text = text.prefix(max(1, width - 1)) + "…" }
        guard line.text("outcome") == "denied" || line.text("outcome") == "failed" else { return text }
        return Terminal.red(text)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Without what a terminal would act on: a name in a record may be a stranger's.
    static func visible(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: shown += "\u{FFFD}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }
}
