extension Configuration {
    /// Checks what one section says about another: names that must exist, and names and identities that must differ.
    func validateReferences(in decoder: inout ConfigurationDecoder) {
        if case .pkcs11(let token) = rootKey, data != .unset, token.pinFile.absolute.hasPrefix(data.absolute + "/") {
            decoder.report("root_key.pkcs11.pin_file", "is inside the data directory; keep it apart from what it opens")
        }
        if case .file(let path) = rootKey, data != .unset, path.absolute.hasPrefix(data.absolute + "/") {
            decoder.report(
                "root_key.file", "is inside the data directory; a key kept with what it wraps protects nothing")
        }
        validateOperators(in: &decoder)
        let formatsKnown = !formats.isEmpty
        if formatsKnown, let defaultFormat, format(named: defaultFormat) == nil {
            reportUnknownFormat(defaultFormat, at: "default_format", in: &decoder)
        }
        var names: [String: Int] = [:]
        var identities: [Client.Identity: Int] = [:]
        for (index, client) in clients.enumerated() {
            let path = "clients[\(index)]"
            if decoder.positions["\(path).name"] != nil, !decoder.hasProblem(under: "\(path).name") {
                if let first = names.updateValue(index, forKey: client.name) {
                    let line = decoder.position(of: "clients[\(first)].name").line
                    decoder.report("\(path).name", "'\(client.name)' is the name of the client on line \(line) too")
                }
            }
            if decoder.positions["\(path).certificate"] != nil, !decoder.hasProblem(under: "\(path).certificate") {
                if let first = identities.updateValue(index, forKey: client.identity) {
                    decoder.report("\(path).certificate", "identifies the client '\(clients[first].name)' too")
                }
            }
            if formatsKnown { validateFormats(of: client, at: path, in: &decoder) }
        }
    }

    private func validateFormats(of client: Client, at path: String, in decoder: inout ConfigurationDecoder) {
        // Elements that could not be read are absent from the list, so places are looked up by what is left of it.
        guard !decoder.hasProblem(under: "\(path).formats") else { return }
        for (index, name) in client.formats.enumerated() where format(named: name) == nil {
            reportUnknownFormat(name, at: "\(path).formats[\(index)]", in: &decoder)
        }
        let own = client.formats.compactMap(format(named:))
        guard own.count == client.formats.count, !own.isEmpty, !decoder.hasProblem(under: "\(path).purposes") else {
            return
        }
        let names = own.map { "'\($0.name)'" }.joined(separator: ", ")
        for (index, purpose) in client.purposes.enumerated() {
            if own.contains(where: { $0.purposes.contains(purpose) }) { continue }
            decoder.report(
                "\(path).purposes[\(index)]", "'\(purpose)' is no purpose of the client's formats (\(names))")
        }
    }

    private func reportUnknownFormat(_ name: String, at path: String, in decoder: inout ConfigurationDecoder) {
        let names = formats.map(\.name)
        let hint = closestName(to: name, among: names).map { "did you mean '\($0)'?" }
        decoder.report(path, "no format is called '\(name)', \(hint ?? "there is \(names.joined(separator: ", "))")")
    }

    /// The options whose change from `old` to `new` takes effect at the next restart only, such as `listen.tcp`, in the
    /// order of the schema. All other changes are taken over by a reload.
    package static func changesRequiringRestart(from old: Configuration, to new: Configuration) -> [String] {
        var changes: [String] = []
        for field in fields { field.restarts(field.name, old, new, &changes) }
        return changes
    }
}
