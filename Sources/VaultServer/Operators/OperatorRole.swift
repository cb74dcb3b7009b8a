/// A duty of an operator, and with it the commands that the duty needs. The least that does: a person with two duties has
/// two roles.
enum OperatorRole: String, Sendable, CaseIterable {
    /// Turns keys over, holds shares, opens and seals the vault.
    case keyCustodian = "key_custodian"
    /// Reads what is and what was, and changes nothing.
    case auditor
    /// Looks after the people whose cards are kept.
    case privacyOfficer = "privacy_officer"
    /// Stops what must not go on.
    case incidentResponder = "incident_responder"
    /// Runs the daemon: its configuration, certificates and operators. Has no say over keys.
    case administrator
}

// What each command is to operators. Every command is in every list: one that is forgotten does not compile.
extension ControlPlane.Command {
    /// The roles that may give it.
    var roles: Set<OperatorRole> {
        switch self {
        case .status, .jobs, .pending: Set(OperatorRole.allCases)
        case .clients: [.auditor, .privacyOfficer, .incidentResponder, .administrator]
        case .verify, .auditVerify, .auditProve, .auditCheckpoint, .auditKeys: [.auditor, .administrator]
        case .auditRecords: [.auditor, .incidentResponder]
        case .reportExposure: [.auditor, .privacyOfficer, .incidentResponder]
        case .reportAccess: [.auditor, .incidentResponder, .administrator]
        case .keys, .shares: [.keyCustodian, .auditor, .incidentResponder, .administrator]
        case .reloadConfiguration: [.administrator]
        case .reloadCertificates: [.incidentResponder, .administrator]
        case .rotate, .destroy, .rewrap, .splitShares, .refreshShares, .commitShares, .cancelShares: [.keyCustodian]
        case .acknowledge: [.keyCustodian, .administrator]
        // Only of commands that they may give themselves.
        case .approve: [.keyCustodian, .privacyOfficer, .incidentResponder, .administrator]
        case .reject: [.keyCustodian, .privacyOfficer, .incidentResponder, .administrator]
        case .freeze, .unfreeze: [.privacyOfficer, .incidentResponder]
        case .seal: [.keyCustodian, .incidentResponder]
        case .honey: [.auditor, .incidentResponder]
        case .addHoney: [.incidentResponder]
        case .unseal, .resetUnseal: [.keyCustodian, .administrator]
        case .enrollFactor, .confirmFactor, .verifyFactor: []
        case .factors: [.auditor, .administrator]
        case .resetFactor: [.administrator]
        }
    }

    /// Whether it is a right at all; what an operator does for the own second factor is none.
    var isGranted: Bool {
        switch self {
        case .status, .enrollFactor, .confirmFactor, .verifyFactor: false
        default: true
        }
    }

    /// Whether it can ask for a one-time code. Where the vault is sealed no code can be checked, so what opens it does not.
    var mayAskForCode: Bool { isGranted && ![.unseal, .resetUnseal, .factors].contains(self) }

    /// Whether it asks for a one-time code unless the configuration says otherwise: what changes keys, rights or rules.
    /// What stops something does not, since that must not wait for a telephone.
    var asksForCode: Bool {
        switch self {
        case .rotate, .destroy, .rewrap, .splitShares, .refreshShares, .approve, .resetFactor, .reloadConfiguration,
            .reloadCertificates, .unfreeze:
            true
        default: false
        }
    }
}

extension OperatorCommand {
    /// The command of the control plane that asks for it.
    var command: ControlPlane.Command {
        switch self {
        case .rotate: .rotate
        case .destroy: .destroy
        case .rewrap: .rewrap
        case .splitShares: .splitShares
        case .refreshShares: .refreshShares
        case .seal: .seal
        case .resetFactor: .resetFactor
        case .unfreeze: .unfreeze
        }
    }
}
