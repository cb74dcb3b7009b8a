/// How far clients are from their limits, and which of them are frozen.
struct LimitReport {
    private(set) var lines: [String] = []

    init(_ clients: JSONValue) {
        var table = Table(["CLIENT", "LIMIT", "USED", "SOFT", "HARD"], rightAligned: [2, 3, 4])
        var hasRows = false
        for client in clients.items {
            for limit in client["limits"]?.members ?? [] {
                hasRows = true
                table.add([
                    client["name"]?.text ?? "", limit.name, Figures.count(limit.value["used"]?.integer ?? 0),
                    Self.bound(limit.value["soft"]), Self.bound(limit.value["hard"]),
                ])
            }
        }
        if hasRows { lines += [""] + table.lines }
        let frozen = clients.items.compactMap { $0["frozen"].flatMap(FreezeView.init) }
        if !frozen.isEmpty { lines.append("") }
        for freeze in frozen { lines.append(Terminal.red("\(freeze.subject) frozen, \(freeze.origin)")) }
    }

    private static func bound(_ value: JSONValue?) -> String { value?.integer.map { Figures.count($0) } ?? "-" }
}
