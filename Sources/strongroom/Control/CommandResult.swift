/// What a command about keys came to, for people: done, begun, or waiting for a second person.
struct CommandResult {
    private(set) var lines: [String] = []
    /// The request that waits; nil where none does.
    private(set) var pending: PendingView?

    private let isFollowed: Bool

    /// - Parameter isFollowed: whether the command goes on to show what it has begun.
    init(_ answer: JSONValue, isFollowed: Bool = false) {
        self.isFollowed = isFollowed
        if let pending = answer["pending"].flatMap(PendingView.init) {
            self.pending = pending
            lines = [
                "request \(pending.id) waits for a second person: \(pending.description)",
                "  another operator runs 'strongroom approve \(pending.id)' before \(Figures.moment(pending.expires))",
            ]
        } else if let rotating = answer["rotating"]?.items {
            addRotation(rotating, answer["fingerprints_change"]?.flag ?? false)
        } else if let proving = answer["proving"] {
            lines = [
                "\(Self.key(proving)) is destroyed as soon as a look at every entry has found none under it",
                "  'strongroom jobs watch' follows that, 'strongroom keys list --receipts' shows the receipt",
            ]
        } else if let root = answer["rewrapped"]?.text {
            lines.append("the keyring is wrapped under a new root key: \(root)")
            addConfiguration(answer)
        } else if answer["committed"] != nil {
            lines.append("the new shares are in force, set \(Figures.set(answer["set"])); all earlier ones are useless")
            addConfiguration(answer)
        } else if answer["sealed"]?.flag == true {
            lines = ["the vault is sealed; 'strongroom unseal' opens it"]
        } else if let freeze = answer["frozen"].flatMap(FreezeView.init) {
            let isOld = answer["already"]?.flag == true
            lines = ["\(freeze.subject) frozen" + (isOld ? " already, \(freeze.origin)" : "")]
            lines.append("  'strongroom unfreeze' ends that; 'strongroom status' shows it")
        } else if let freeze = answer["unfrozen"].flatMap(FreezeView.init) {
            lines = ["\(freeze.subject) no longer frozen", "  it was \(freeze.origin)"]
        } else if let id = answer["approved"]?.integer {
            lines = ["request \(id) is approved: \(answer["description"]?.text ?? "")"]
            if let next = answer["next"]?.text { lines.append("  \(next)") }
        } else if let id = answer["rejected"]?.integer {
            lines = ["request \(id) is rejected: \(answer["description"]?.text ?? "")"]
        } else {
            lines = ["done"]
        }
    }

    private static func key(_ value: JSONValue) -> String {
        "\(value["purpose"]?.text ?? "?") key \(value["version"]?.integer ?? 0)"
    }

    private mutating func addRotation(_ keys: [JSONValue], _ changesFingerprints: Bool) {
        for key in keys {
            if key["purpose"]?.text == "audit" {
                lines.append("\(Self.key(key)) is active; earlier ones stay to verify what they linked")
            } else {
                lines.append("\(Self.key(key)) is active; what lies under the one before is being moved to it")
            }
        }
        if changesFingerprints { lines.append("  fingerprints have changed") }
        if !isFollowed, keys.contains(where: { $0["purpose"]?.text != "audit" }) {
            lines.append("  'strongroom jobs watch' follows that")
        }
    }

    private mutating func addConfiguration(_ answer: JSONValue) {
        if let generation = answer["generation"]?.integer { lines.append("  keyring generation \(generation)") }
        guard let option = answer["configure"]?.text, !option.isEmpty else { return }
        lines += ["", "The configuration has to say this before the vault is next started:", "", "  \(option)"]
    }
}

/// A command that waits for a second person.
struct PendingView: Equatable {
    let id: UInt64
    let description: String
    let requestedBy: String
    let created: UInt64
    let expires: UInt64
    /// Who approved it, where the one who asked has to come back; empty before.
    let approvedBy: String

    init?(_ value: JSONValue) {
        guard let id = value["id"]?.integer else { return nil }
        self.id = id
        description = value["description"]?.text ?? value["command"]?.text ?? "?"
        requestedBy = value["requested_by"]?.text ?? "?"
        created = value["created"]?.integer ?? 0
        expires = value["expires"]?.integer ?? 0
        approvedBy = value["approved_by"]?.text ?? ""
    }
}
