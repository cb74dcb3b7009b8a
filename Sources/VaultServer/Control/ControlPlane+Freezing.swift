internal import VaultCore

// `freeze` and `unfreeze`: of all reveals, of one client, or of one format.
extension ControlPlane {
    /// Works in every state of the vault, and stops reveals even where nothing can be stored.
    func freeze(_ request: ControlRequest, by person: Operator) throws(KeyFailure) -> JSONText {
        let scope = try scope(of: request)
        let configuration = service.configuration
        // A slip of the pen must not pass for a freeze.
        switch scope {
        case .client(let name) where !configuration.clients.contains { $0.name == name }:
            throw KeyFailure(404, "no_such_client", "there is no client '\(name)'")
        case .format(let name) where configuration.format(named: name) == nil:
            throw KeyFailure(404, "no_such_format", "there is no format '\(name)'")
        default: break
        }
        let reason = request.query["reason"] ?? ""
        guard Freeze.isReason(reason) else {
            throw .usage("reason is one line of at most \(Freeze.reasonBytesMax) bytes, without card numbers")
        }
        return service.freeze(scope, reason: reason, by: person)
    }

    /// A second person is asked for where `dual_control` says so, and then the vault must not be sealed: that is where such
    /// commands wait.
    func unfreeze(_ request: ControlRequest, by person: Operator) throws(KeyFailure) -> CommandOutcome {
        let scope = try scope(of: request)
        guard service.guards.freezes[scope] != nil else { throw .notFrozen(scope) }
        guard service.configuration.dualControl.contains(.unfreeze) else {
            return .unfreeze(scope, KeyAuthority(requestedBy: person.text))
        }
        return try service.onWriterThread { keys throws(KeyFailure) in try keys.submit(.unfreeze(scope), by: person) }
    }

    func scope(of request: ControlRequest) throws(KeyFailure) -> FreezeScope {
        switch (request.query["client"], request.query["format"]) {
        case (nil, nil): return .all
        case (.some(let name), nil) where isConfigurationName(name): return .client(name)
        case (nil, .some(let name)) where isConfigurationName(name): return .format(name)
        default: throw .usage("client=NAME or format=NAME, or neither for all reveals")
        }
    }
}
