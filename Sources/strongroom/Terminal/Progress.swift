import Synchronization

/// A line on standard error that says how far a long command is. Draws on a terminal only, ten times a second at most.
final class Progress: Sendable {
    private struct State {
        var done: UInt64 = 0
        var failed: UInt64 = 0
        var fraction: Double?
        var note = ""
        var lastDrawn: ContinuousClock.Instant?
        var isDrawn = false
    }

    private let noun: String
    private let isShown: Bool
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(_ noun: String, isShown: Bool = true) {
        self.noun = noun
        self.isShown = isShown && Terminal.isErrorTerminal
    }

    /// - Parameters:
    ///   - fraction: how much of the whole that is, 0 to 1; nil where nobody knows.
    ///   - note: shown behind.
    func update(done: UInt64, failed: UInt64, fraction: Double?, note: String = "") {
        let line: String? = state.withLock { state in
            (state.done, state.failed, state.fraction, state.note) = (done, failed, fraction, note)
            let now = ContinuousClock.now
            guard isShown, now - (state.lastDrawn ?? start) >= .milliseconds(100) else { return nil }
            state.lastDrawn = now
            state.isDrawn = true
            return text(state)
        }
        if let line { Terminal.write("\r\u{1B}[K" + line, to: 2) }
    }

    /// Removes the line.
    func clear() {
        if state.withLock({ $0.isDrawn.exchange(false) }) { Terminal.write("\r\u{1B}[K", to: 2) }
    }

    /// Seconds since the beginning.
    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    private func text(_ state: State) -> String {
        let seconds = seconds
        let rate = seconds > 0 ? Double(state.done) / seconds : 0
        var text = "\(Figures.count(state.done)) \(noun)s  \(Figures.count(Int(rate)))/s"
        if state.failed > 0 { text += "  \(Figures.count(state.failed)) failed" }
        if !state.note.isEmpty { text += "  \(state.note)" }
        if let fraction = state.fraction {
            let fraction = min(max(fraction, 0), 1)
            if fraction > 0.01 { text += "  \(Figures.time(seconds / fraction - seconds)) left" }
            text = "\(Figures.bar(fraction, width: 24)) \(Int(fraction * 100))%  " + text
        }
        return String(text.prefix(max(10, Terminal.width - 1)))
    }
}

extension Bool {
    /// Sets a new value and gives back the old one.
    fileprivate mutating func exchange(_ value: Bool) -> Bool {
        defer { self = value }
        return self
    }
}
