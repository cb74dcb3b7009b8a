internal import VaultCore

/// A command about keys that may need a second person, in the form in which it waits for one.
enum OperatorCommand: Equatable, Sendable {
    case rotate([KeyPurpose])
    case destroy(KeyPurpose, UInt32)
    case rewrap(RewrapTarget)
    case splitShares(SharePlan)
    case refreshShares
    case seal
    /// An operator has to enrol anew for one-time codes.
    case resetFactor(String)
    case unfreeze(FreezeScope)
    /// Goes on with an audit log that does not fit, for a reason.
    case adoptAudit(String)

    /// Its name under `dual_control`.
    var kind: Configuration.DualControlled {
        switch self {
        case .rotate: .rotate
        case .destroy: .destroy
        case .rewrap: .rewrap
        case .splitShares, .refreshShares: .shares
        case .seal: .seal
        case .resetFactor: .resetFactor
        case .unfreeze: .unfreeze
        case .adoptAudit: .auditAdopt
        }
    }

    /// Whether its result is for the requester alone, who then comes back for it after the approval.
    var hasSecretResult: Bool {
        switch self {
        case .splitShares, .refreshShares, .rewrap(.shares): true
        default: false
        }
    }

    /// One line for the second person.
    var description: String {
        switch self {
        case .rotate(let purposes):
            "rotate the \(Self.list(purposes)) key"
        case .destroy(let purpose, let version): "destroy \(purpose.name) key version \(version)"
        case .rewrap(let target): "wrap the keyring under a new root key: \(target.text)"
        case .splitShares(let plan): "split the root key: \(plan.description)"
        case .refreshShares: "make new shares of the root key for the same custodians"
        case .seal: "seal the vault"
        case .resetFactor(let name): "take the one-time codes of \(name) out of force"
        case .unfreeze(let scope): "unfreeze \(scope.text)"
        case .adoptAudit(let reason): "go on with the audit log as it is: \(reason)"
        }
    }

    private static func list(_ purposes: [KeyPurpose]) -> String {
        let names = purposes.map { "\($0.name)" }
        guard let last = names.last, names.count > 1 else { return names.first ?? "" }
        return "\(names.dropLast().joined(separator: ", ")) and \(last)"
    }

    /// What is stored; `init(kind:argument:)` reads it back.
    var argument: String {
        switch self {
        case .rotate(let purposes): purposes.map { "\($0.name)" }.joined(separator: ",")
        case .destroy(let purpose, let version): "\(purpose.name) \(version)"
        case .rewrap(let target): target.text
        case .splitShares(let plan): plan.text
        case .refreshShares: "refresh"
        case .seal: ""
        case .resetFactor(let name): name
        case .unfreeze(let scope): scope.text
        case .adoptAudit(let reason): reason
        }
    }

    init?(kind: String, argument: String) {
        switch Configuration.DualControlled(rawValue: kind) {
        case .rotate:
            let purposes = argument.split(separator: ",").compactMap { KeyPurpose(name: $0) }
            guard !purposes.isEmpty else { return nil }
            self = .rotate(purposes)
        case .destroy:
            let parts = argument.split(separator: " ")
            guard parts.count == 2, let purpose = KeyPurpose(name: parts[0]), let version = UInt32(parts[1]) else {
                return nil
            }
            self = .destroy(purpose, version)
        case .rewrap:
            guard let target = RewrapTarget(argument) else { return nil }
            self = .rewrap(target)
        case .shares:
            if argument == "refresh" {
                self = .refreshShares
            } else if let plan = SharePlan(argument) {
                self = .splitShares(plan)
            } else {
                return nil
            }
        case .seal: self = .seal
        case .resetFactor: self = .resetFactor(argument)
        case .unfreeze:
            guard let scope = FreezeScope(argument) else { return nil }
            self = .unfreeze(scope)
        case .auditAdopt: self = .adoptAudit(argument)
        case nil: return nil
        }
    }
}

extension KeyPurpose {
    /// The purposes that a command may name: the key of one-time codes is never turned over.
    init?(name: some StringProtocol) {
        let purposes: [KeyPurpose] = [.data, .index, .audit]
        guard let purpose = purposes.first(where: { "\($0.name)" == name }) else { return nil }
        self = purpose
    }
}
