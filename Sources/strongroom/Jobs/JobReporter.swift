/// Shows jobs as they go on: bars on a terminal, elsewhere a line every few seconds and whenever a job's state changes.
struct JobReporter {
    enum Style: Equatable {
        /// Bars, drawn anew.
        case bars
        /// Plain lines.
        case lines
        /// The vault's own JSON, a line for each change.
        case json
    }

    private let descriptor: Int32
    private let style: Style
    /// Between two lines of a job that only moves.
    private let lineInterval: Duration
    private var live: LiveLines
    private var lastText = ""
    private var lastLines: [String: (phase: String, at: ContinuousClock.Instant, line: String)] = [:]

    init(_ descriptor: Int32, style: Style, lineInterval: Duration = .seconds(5)) {
        self.descriptor = descriptor
        self.style = style
        self.lineInterval = lineInterval
        live = LiveLines(descriptor)
    }

    /// Bars where they can be drawn.
    static func style(_ descriptor: Int32, json: Bool) -> Style {
        if json { return .json }
        return (descriptor == 1 ? Terminal.isOutputTerminal : Terminal.isErrorTerminal) ? .bars : .lines
    }

    /// Shows one look at the jobs.
    mutating func show(_ jobs: [JobView], text: String, now: ContinuousClock.Instant = .now) throws(Failure) {
        switch style {
        case .bars: live.draw(jobs.map { $0.line(width: live.width) })
        case .lines: for line in dueLines(jobs, now: now) { try write(line) }
        case .json:
            guard text != lastText else { return }
            lastText = text
            try write(text)
        }
    }

    /// Removes bars, for what stays.
    mutating func clear() { live.clear() }

    /// The lines that are due, in the order of the jobs.
    mutating func dueLines(_ jobs: [JobView], now: ContinuousClock.Instant) -> [String] {
        var due: [String] = []
        for job in jobs {
            let line = job.plain
            if let last = lastLines[job.name], last.phase == job.phase {
                guard last.line != line, now - last.at >= lineInterval else { continue }
            }
            lastLines[job.name] = (job.phase, now, line)
            due.append(line)
        }
        let names = Set(jobs.map(\.name))
        lastLines = lastLines.filter { names.contains($0.key) }
        return due
    }

    private func write(_ line: String) throws(Failure) {
        if descriptor == 1 { try Terminal.print(line) } else { Terminal.write(line + "\n", to: descriptor) }
    }
}
