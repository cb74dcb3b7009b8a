/// The audit log as `status` tells of it.
struct AuditView {
    /// Whether records are written, so that the vault serves.
    let isOpen: Bool
    private(set) var lines: [String] = []

    init(_ audit: JSONValue, now: UInt64) {
        let state = audit["state"]?.text ?? "?"
        isOpen = state == "open"
        let records = audit["records"]?.integer ?? 0
        let signed = audit["checkpoint"]?["records"]?.integer ?? 0
        let time = audit["checkpoint"]?["time"]?.integer ?? 0
        if isOpen {
            let ago =
                time > 0
                ? ", signed up to \(Figures.count(signed)) \(Figures.age(now > time ? now - time : 0)) ago" : ""
            lines.append("  audit log: \(Figures.count(records, "record"))\(ago)")
        } else if state != "closed" {
            let reason = audit["reason"]?.text ?? ""
            lines.append(Terminal.red("  audit log \(state): \(reason.isEmpty ? "-" : reason)"))
            lines.append(Terminal.red("  no card is revealed and none stored until it is written again"))
        }
        let stalled = audit["stalled_seconds"]?.decimal ?? 0
        if stalled >= 1 {
            lines.append(Terminal.red("  the disk of the audit log has not answered for \(Int(stalled)) s"))
        }
        for (name, value) in (audit["destinations"]?.members ?? []).map({ ($0.name, $0.value) }) {
            guard let reason = value.text, !reason.isEmpty else { continue }
            lines.append(Terminal.yellow("  checkpoints do not reach '\(name)': \(reason)"))
        }
        let lost = audit["lost"]?.integer ?? 0
        if lost > 0 {
            lines.append(
                Terminal.yellow("  \(Figures.count(lost, "record")) of the vault's own events could not be kept"))
        }
    }
}
