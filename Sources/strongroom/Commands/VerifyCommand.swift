import ArgumentParser
import StrongroomClient

struct VerifyCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every record, index entry and counter while the vault serves.",
        discussion: """
            Prints a line for each finding and a summary. The exit code is 0 where all is sound, and 65 where anything \
            was found. The database has no checksums of its own, so run this regularly.
            """)

    @Flag(help: "The vault's own JSON, one line for each finding and for the report.")
    var json = false

    @OptionGroup var options: ControlOptions

    func perform() async throws(Failure) {
        let progress = Progress("record")
        defer { progress.clear() }
        var partial: [UInt8] = []
        var report: JSONValue?
        let (_, refusal) = try options.endpoint().stream("POST", "/v1/verify") { (piece) throws(Failure) in
            for index in piece.indices {
                guard piece[index] == 0x0A else {
                    partial.append(piece[index])
                    continue
                }
                try take(partial, progress, &report)
                partial.removeAll(keepingCapacity: true)
            }
        }
        progress.clear()
        if let refusal { throw refusal.failure }
        guard let report else { throw Failure(.unavailable, "the vault ended the check without a report") }
        try finish(report)
    }

    /// One line of the answer.
    private func take(
        _ line: [UInt8], _ progress: Progress, _ report: inout JSONValue?
    ) throws(Failure) {
        guard let value = JSONValue(line) else { throw Failure(.unavailable, "the vault's answer makes no sense") }
        if let done = value["done"]?.integer, let total = value["total"]?.integer {
            progress.update(
                done: done, failed: 0, fraction: total == 0 ? nil : Double(done) / Double(total),
                note: "\(value["table"]?.text ?? "")  \(Figures.count(value["findings"]?.integer ?? 0, "finding"))")
            return
        }
        if let whole = value["report"] { report = whole }
        if value["finding"] == nil && value["report"] == nil { return }
        progress.clear()
        if json {
            try Terminal.print(String(decoding: line, as: UTF8.self))
        } else if value["finding"] != nil {
            try Terminal.print(text(of: value))
        }
    }

    private func text(of finding: JSONValue) -> String {
        var text = "\(Terminal.red(finding["finding"]?.text ?? "?")): table \(finding["table"]?.text ?? "?")"
        if let token = finding["token"]?.text { text += ", token \(token)" }
        if let what = finding["what"]?.text, !what.isEmpty { text += ", \(what)" }
        if let position = finding["position"]?.integer, position > 0 { text += ", at \(position)" }
        let (stored, counted) = (finding["stored"]?.integer ?? 0, finding["counted"]?.integer ?? 0)
        if stored != counted { text += ", stored \(Figures.count(stored)) and counted \(Figures.count(counted))" }
        return text
    }

    private func finish(_ report: JSONValue) throws(Failure) {
        let findings = report["findings"]?.integer ?? 0
        if !json {
            let parts = [("records", "record"), ("index_entries", "index entrie"), ("subjects", "subject")].map {
                let count = report[$0.0]?.integer ?? 0
                return count == 1 && $0.1 == "index entrie" ? "1 index entry" : Figures.count(count, $0.1)
            }
            let isSound = report["sound"]?.flag == true
            let found = findings == 0 ? "nothing found so far" : Figures.count(findings, "finding")
            let verdict = isSound ? Terminal.green("sound") : Terminal.red(found)
            try Terminal.print("\(parts.joined(separator: ", ")): \(verdict)")
        }
        if findings > 0 { throw Failure(.dataError, "") }
        guard report["complete"]?.flag == true else {
            throw Failure(.tryAgain, "the check was interrupted before its end")
        }
    }
}
