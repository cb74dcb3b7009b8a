/// What a rotation needs of the control socket.
struct KeyCommands: Sendable {
    let socket: ControlSocket

    /// Begins a rotation; gives back when the vault has switched to the new version.
    func rotate(_ purpose: String) throws(BenchError) {
        _ = try socket.call("POST", "/v1/keys/rotate?purpose=\(purpose)")
    }

    /// The rotations under way; none when all has ended.
    func jobs() throws(BenchError) -> [Job] {
        try socket.call("GET", "/v1/jobs")["jobs"]?.items.map(Job.init) ?? []
    }

    /// All versions that the vault knows.
    func versions() throws(BenchError) -> [Version] {
        let keys = try socket.call("GET", "/v1/keys")
        let receipts = keys["receipts"]?.items ?? []
        return keys["versions"]?.items.map { Version($0, receipts) } ?? []
    }

    struct Job: Sendable {
        let state: String
        let reason: String
        let done: Int
        let total: Int

        init(_ json: JSON) {
            state = json["state"]?.text ?? ""
            reason = json["reason"]?.text ?? ""
            done = json["done"]?.int ?? 0
            total = json["total"]?.int ?? 0
        }
    }

    struct Version: Sendable {
        let purpose: String
        let number: Int
        let state: String
        /// Records, or index entries, under it now.
        let records: Int
        /// Those that left it for another version.
        let moved: Int
        /// Whether the keyring holds a receipt of its destruction.
        let hasReceipt: Bool

        init(_ json: JSON, _ receipts: [JSON]) {
            let (purpose, number) = (json["purpose"]?.text ?? "", json["version"]?.int ?? 0)
            self.purpose = purpose
            self.number = number
            state = json["state"]?.text ?? ""
            records = json["records"]?.int ?? -1
            moved = json["moved"]?.int ?? 0
            hasReceipt = receipts.contains { $0["purpose"]?.text == purpose && $0["version"]?.int == number }
        }
    }
}
