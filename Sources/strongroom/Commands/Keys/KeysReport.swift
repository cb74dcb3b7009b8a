/// The keys for people.
struct KeysReport {
    private(set) var lines: [String] = []

    init(_ answer: JSONValue, withReceipts: Bool) {
        addVersions(answer)
        addWarnings(answer)
        addRoot(answer)
        if withReceipts {
            lines += ["", Terminal.bold("Receipts")]
            let receipts = answer["receipts"]?.items ?? []
            if receipts.isEmpty { lines.append("  no key was destroyed yet") }
            for receipt in receipts { lines += Self.receipt(receipt).map { "  \($0)" } }
        }
    }

    private mutating func addVersions(_ answer: JSONValue) {
        var table = Table(
            ["PURPOSE", "VERSION", "STATE", "CREATED", "AGE", "ENCRYPTIONS", "RECORDS"], rightAligned: [1, 4, 5, 6])
        for version in KeyVersionView.sorted(answer["versions"]?.items ?? []) {
            let state = version["state"]?.text ?? "-"
            let level = state == "active" ? Self.level(answer, version) : .fine
            table.add([
                version["purpose"]?.text ?? "-", "\(version["version"]?.integer ?? 0)",
                level.styled(state), Figures.date(version["created"]?.integer ?? 0),
                state == "destroyed" ? "-" : level.styled(Self.age(version)),
                level.styled(Self.encryptions(version)), Self.records(version, state),
            ])
        }
        lines += table.lines
    }

    /// `12 d (13.3% of 90 d)`
    static func age(_ version: JSONValue) -> String {
        let age = version["age_seconds"]?.integer ?? 0
        let period = version["period_seconds"]?.integer ?? 0
        guard period > 0 else { return Figures.age(age) }
        return "\(Figures.age(age)) (\(Figures.percent(age, of: period)) of \(Figures.age(period)))"
    }

    /// `1,234,567 (0.1%)`
    static func encryptions(_ version: JSONValue) -> String {
        let count = version["encryptions"]?.integer ?? 0
        let limit = version["limit"]?.integer ?? 0
        if limit > 0 { return "\(Figures.count(count)) (\(Figures.percent(count, of: limit)))" }
        return count > 0 ? Figures.count(count) : "-"
    }

    private static func records(_ version: JSONValue, _ state: String) -> String {
        let records = version["records"]?.integer ?? 0
        let moved = version["moved"]?.integer ?? 0
        return state != "active" && moved > 0
            ? "\(Figures.count(records)) (\(Figures.count(moved)) moved)" : Figures.count(records)
    }

    private static func level(_ answer: JSONValue, _ version: JSONValue) -> UseLevel {
        guard let purpose = version["purpose"]?.text, let use = answer["use"]?[purpose],
            use["version"]?.integer == version["version"]?.integer
        else { return .fine }
        return UseLevel(use)
    }

    private mutating func addWarnings(_ answer: JSONValue) {
        let warnings = UseLevel.warnings(answer["use"])
        if !warnings.isEmpty { lines += [""] + warnings.map { "  \($0)" } }
    }

    private mutating func addRoot(_ answer: JSONValue) {
        let root = answer["root"]
        lines += ["", Terminal.bold("Root key")]
        var text = "  \(root?["text"]?.text ?? root?["kind"]?.text ?? "-")"
        if root?["kind"]?.text == "shares" { text += ", set \(Figures.set(root?["set"]))" }
        lines.append(text + ", since \(Figures.date(root?["since"]?.integer ?? 0))")
        lines.append(
            "  keyring generation \(answer["generation"]?.integer ?? 0) of vault \(answer["vault_id"]?.text ?? "-")")
        if answer["keyring_certain"]?.flag == false {
            lines.append(
                Terminal.red(
                    "  the last change of the keyring may not be on disk: restart the vault, which then tells"))
        }
        if let reason = answer["displaced"]?.text {
            lines.append(Terminal.yellow("  \(reason); a new data key takes over"))
        }
    }

    /// A receipt on a few lines, its hash last.
    static func receipt(_ receipt: JSONValue) -> [String] {
        let name = "\(receipt["purpose"]?.text ?? "?") key \(receipt["version"]?.integer ?? 0)"
        let moved = receipt["records_moved"]?.integer ?? 0
        let dates = ["created", "retired", "destroyed"].map { "\($0) \(Figures.moment(receipt[$0]?.integer ?? 0))" }
        return [
            "\(Terminal.bold(name)): \(dates.joined(separator: ", "))",
            "  \(Figures.count(moved)) moved, keyring generation \(receipt["generation"]?.integer ?? 0), rotated for "
                + "'\(receipt["reason"]?.text ?? "-")'",
            "  rotation: \(authority(receipt["rotation"])); destruction: \(authority(receipt["destruction"]))",
            "  sha256 \(receipt["hash"]?.text ?? "-")",
        ]
    }

    private static func authority(_ value: JSONValue?) -> String {
        let approved = value?["approved_by"]?.text ?? ""
        return (value?["requested_by"]?.text ?? "-") + (approved.isEmpty ? "" : ", approved by \(approved)")
    }
}

/// How far a key has used its life up.
enum UseLevel: String {
    case fine, warn, rotate, refuse

    /// Of one purpose's `use`.
    init(_ use: JSONValue?) { self = use?["level"]?.text.flatMap(UseLevel.init) ?? .fine }

    func styled(_ text: String) -> String {
        switch self {
        case .fine: text
        case .warn, .rotate: Terminal.yellow(text)
        case .refuse: Terminal.red(text)
        }
    }

    /// What to do, a line for each key that needs it.
    static func warnings(_ use: JSONValue?) -> [String] {
        ["data", "index"].compactMap { purpose in
            guard let facts = use?[purpose] else { return nil }
            let level = UseLevel(facts)
            let what =
                "\(purpose) key \(facts["version"]?.integer ?? 0): age \(KeysReport.age(facts))"
                + (purpose == "data" ? ", encryptions \(KeysReport.encryptions(facts))" : "")
            switch level {
            case .fine: return nil
            case .warn: return level.styled("\(what): rotate it soon, 'strongroom keys rotate \(purpose)'")
            case .rotate: return level.styled("\(what): due for rotation")
            case .refuse:
                return level.styled("\(what): no longer used, rotate it now: 'strongroom keys rotate \(purpose)'")
            }
        }
    }
}
