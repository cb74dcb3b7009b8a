/// New shares from the vault: they are handed out first, and only then does the vault take them into force.
struct ShareCeremony {
    let endpoint: ControlEndpoint
    let handout: ShareHandout
    let json: Bool

    /// Asks for shares, hands them out, and has them take effect. What the vault files for a second person is said.
    func perform(_ target: ControlTarget) throws(Failure) {
        Interruption.holdBack()
        let answer = try endpoint.exchange("POST", target)
        guard answer.isShareSheet else { return try report(try answer.json()) }
        try handOut(answer)
    }

    private func report(_ answer: (text: String, value: JSONValue)) throws(Failure) {
        if json { return try Terminal.print(answer.text) }
        for line in CommandResult(answer.value).lines { try Terminal.print(line) }
    }

    private func handOut(_ answer: consuming ControlAnswer) throws(Failure) {
        let sheet: ShareSheet
        do throws(ShareSheet.Fault) {
            sheet = try ShareSheet(answer.takeBody())
        } catch {
            throw Failure(
                .unavailable, "line \(error.line) of the vault's shares makes no sense; nothing was changed")
        }
        var made: [String] = []
        do throws(Failure) {
            try handout.perform(sheet, made: &made)
            try Interruption.check()
        } catch {
            throw abandoned(sheet.ceremony, made, error)
        }
        try commit(sheet.ceremony, set: sheet.set, made)
    }

    private func commit(_ ceremony: String, set: String, _ made: [String]) throws(Failure) {
        let result: (text: String, value: JSONValue)
        do throws(Failure) {
            let answer = try endpoint.exchange("POST", Self.target("/v1/shares/commit", ceremony))
            result = try answer.json()
        } catch {
            guard error.isAbsence else { throw abandoned(ceremony, made, error) }
            throw Failure(
                .unavailable,
                "\(error.message): it is not known whether these shares count. Keep them and the ones before until "
                    + "'strongroom shares list' names the set in force; these are of set \(set)")
        }
        for path in made { Terminal.complain("made  \(path)  (mode 0600)") }
        if json { return try Terminal.print(result.text) }
        // In a pipe, standard output has shares alone.
        for line in CommandResult(result.value).lines {
            if case .pipe = handout { Terminal.complain(line) } else { try Terminal.print(line) }
        }
    }

    /// Tells the vault that nothing is to change, and takes the shares back.
    private func abandoned(_ ceremony: String, _ made: [String], _ error: Failure) -> Failure {
        ShareHandout.remove(made)
        do throws(Failure) {
            let answer = try endpoint.exchange("POST", Self.target("/v1/shares/cancel", ceremony))
            _ = try answer.json()
        } catch {
            // The vault forgets what is not committed.
        }
        let reason = error.message.isEmpty ? "the shares could not be handed out" : error.message
        return Failure(error.status, "\(reason); nothing was changed, and shares that were seen are worthless")
    }

    private static func target(_ path: StaticString, _ ceremony: String) -> ControlTarget {
        ControlTarget(path, [("ceremony", [ceremony])])
    }
}
