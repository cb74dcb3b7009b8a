/// A background job of the vault as `jobs` shows it.
struct JobView: Equatable {
    let name: String
    let purpose: String
    /// The versions that are being emptied.
    let from: [UInt64]
    let to: UInt64
    let state: String
    let reason: String
    let done: UInt64
    let total: UInt64
    /// Records in a second.
    let rate: Double
    let secondsLeft: Double?
    /// The request that it waits for.
    let pending: UInt64?

    init(_ value: JSONValue) {
        name = value["job"]?.text ?? "?"
        purpose = value["purpose"]?.text ?? "?"
        from = value["from"]?.items.compactMap(\.integer) ?? []
        to = value["to"]?.integer ?? 0
        state = value["state"]?.text ?? "?"
        reason = value["reason"]?.text ?? ""
        done = value["done"]?.integer ?? 0
        total = value["total"]?.integer ?? 0
        rate = value["rate"]?.decimal ?? 0
        secondsLeft = value["seconds_left"]?.decimal
        pending = value["pending"]?.integer
    }

    /// The jobs in an answer.
    static func all(_ answer: JSONValue) -> [JobView] { (answer["jobs"]?.items ?? []).map(JobView.init) }

    var isBlocked: Bool { state == "blocked" }

    /// `data key 1 -> 2`
    var title: String {
        let sources = from.map { "\($0)" }.joined(separator: ",")
        return "\(purpose) key \(sources.isEmpty ? "?" : sources) -> \(to)"
    }

    /// How much of it is done, 0 to 1; nil where there is nothing to do.
    var fraction: Double? { total == 0 ? nil : min(1, Double(done) / Double(total)) }

    /// What stays the same while only numbers move.
    var phase: String { "\(name) \(from) \(to) \(state) \(reason) \(pending ?? 0)" }

    /// `123,456 of 370,000 records  20,000/s  12.3 s left`
    var figures: String {
        "\(Figures.count(done)) of \(Figures.count(total)) \(purpose == "index" ? "entries" : "records")" + speed
    }

    /// `  20,000/s  12.3 s left`; empty for what does not move.
    private var speed: String {
        guard state == "moving" else { return "" }
        let text = "  \(Figures.count(Int(min(max(rate, 0), 1e12))))/s"
        guard let secondsLeft, secondsLeft >= 0, secondsLeft < 1e9 else { return text }
        return text + "  \(Figures.time(secondsLeft)) left"
    }

    /// Why it stands where it stands; empty while it moves.
    var note: String {
        switch state {
        case "moving": reason
        case "proving": "looking at every entry before the old key is destroyed"
        case "waiting": "waiting" + (reason.isEmpty ? "" : ": \(reason)")
        case "awaiting_approval":
            "the old key's destruction needs a second person"
                + (pending.map { ": strongroom approve \($0)" } ?? "")
        case "paused": "paused, goes on by itself" + (reason.isEmpty ? "" : ": \(reason)")
        case "blocked": "BLOCKED" + (reason.isEmpty ? "" : ": \(reason)")
        default: reason.isEmpty ? state : "\(state): \(reason)"
        }
    }

    /// One line without a bar, for a pipe.
    var plain: String {
        let percent = fraction.map { "  \(Int($0 * 100))%" } ?? ""
        return "\(title)\(percent)  \(figures)" + (note.isEmpty ? "" : "  \(note)")
    }

    /// One line with a bar, of at most `width` characters; the bar gives way to what stands behind it.
    func line(width: Int, barWidth: Int = 24) -> String {
        let percent = "\(Int((fraction ?? 1) * 100))%"
        let padded = String(repeating: " ", count: max(0, 4 - percent.count)) + percent
        let counts = "\(Figures.count(done))/\(Figures.count(total))" + speed
        // Whoever waits for somebody is told so even where the line is short.
        let tail = state == "moving" || note.isEmpty ? counts + (note.isEmpty ? "" : "  \(note)") : note
        let room = width - title.count - padded.count - tail.count - 7
        let bar = Figures.bar(fraction ?? 1, width: min(barWidth, max(8, room)))
        return String("\(title)  \(bar) \(padded)  \(tail)".prefix(max(10, width)))
    }
}
