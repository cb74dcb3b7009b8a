/// What the vault said instead of doing a command.
struct ControlRefusal: Equatable {
    /// The HTTP status.
    let status: Int
    /// Stable, for machines; empty where the vault gave none.
    let code: String
    /// For people.
    let title: String

    init(status: Int, code: String, title: String) {
        self.status = status
        self.code = code
        self.title = title
    }

    /// The refusal in an answer; nil for one that is none.
    init?(status: Int, _ value: JSONValue?) {
        guard !Self.accepted.contains(status) else { return nil }
        let code = value?["code"]?.text ?? ""
        let title = value?["title"]?.text ?? (code.isEmpty ? "the vault answered \(status)" : code)
        self.init(status: status, code: code, title: title)
    }

    /// Done or begun; and filed for a second person.
    private static let accepted: Set = [200, 202]

    /// How the program ends.
    var exitStatus: ExitStatus {
        switch status {
        case 401, 403: .denied
        case 404: isUnknownCommand ? .unavailable : .dataError
        // `refused` is what a reload says of a configuration.
        case 422: code == "refused" ? .configuration : .dataError
        case 409: Self.passing.contains(code) ? .tryAgain : .dataError
        case 429: .tryAgain
        case 503, 507: Self.passing.contains(code) ? .tryAgain : .unavailable
        case 400..<500: .dataError
        default: .unavailable
        }
    }

    /// Conditions that end without a change of the command.
    private static let passing: Set = [
        "sealed", "stopping", "write_stopped", "busy", "audit_unavailable", "storage_full", "rotation_under_way",
        "running", "shares_unconfirmed",
    ]

    /// Whether the vault does not know the command at all.
    var isUnknownCommand: Bool { status == 404 && (code == "not_found" || code.isEmpty) }

    var failure: Failure {
        Failure(
            exitStatus,
            isUnknownCommand ? "this vault does not know the command; is it of the same version?" : title)
    }
}
