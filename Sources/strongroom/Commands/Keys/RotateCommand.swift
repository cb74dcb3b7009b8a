import ArgumentParser

struct RotateCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Replace a key by a new version, while the vault serves.",
        discussion: """
            The new version takes over at once; the vault then moves what lies under the old one, and destroys the old \
            one when nothing is left. With --wait the command shows that, and ends with the receipt of the destroyed \
            key. Ending the command does not end the rotation.

            An index key is the base of fingerprints: its rotation changes the fingerprint of every card.
            """)

    enum Purpose: String, ExpressibleByArgument, CaseIterable {
        case data, index, audit, all
    }

    @Argument(help: "Which key: data, index, audit or all.")
    var purpose = Purpose.data

    @Flag(help: "Wait until the old version is destroyed, and for an approval where one is needed.")
    var wait = false

    @Flag(name: [.long, .short], help: "Do not ask whether fingerprints may change.")
    var yes = false

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var place: ControlPlace

    func perform() async throws(Failure) {
        let endpoint = try place.endpoint()
        try warn()
        // What is active now is what will be destroyed.
        let before = wait ? KeyVersionView.all(try endpoint.call("GET", "/v1/keys").value) : []
        let (text, value) = try endpoint.call(
            "POST", ControlTarget("/v1/keys/rotate", [("purpose", [purpose.rawValue])]))
        let result = CommandResult(value, isFollowed: wait)
        if json { try Terminal.print(text) } else { for line in result.lines { try Terminal.print(line) } }
        guard wait else { return }
        // An old audit key is not destroyed: it verifies what it linked.
        let replaced = before.filter { $0.purpose != "audit" }
        let old = replaced.filter { $0.state == "active" && (purpose == .all || $0.purpose == purpose.rawValue) }
        let begun = value["rotating"]?.items.compactMap { $0["purpose"]?.text }
        var wait = RotationWait(
            endpoint: endpoint, old: old.filter { begun?.contains($0.purpose) ?? true }, pending: result.pending,
            json: json)
        for receipt in try wait.perform() {
            if json {
                try Terminal.print(receipt.json)
            } else {
                for line in KeysReport.receipt(receipt) { try Terminal.print(line) }
            }
        }
    }

    private func warn() throws(Failure) {
        guard purpose == .index || purpose == .all else { return }
        try Confirmation.ask(
            "Rotating the index key changes the fingerprint of every card: whoever keeps fingerprints has to fetch "
                + "them anew. Tokens stay as they are.", isGranted: yes)
    }
}

/// A question before something that cannot be taken back.
enum Confirmation {
    /// Says what will happen. On a terminal it goes on only for a `y`; elsewhere, and where it is granted, at once.
    static func ask(_ text: String, isGranted: Bool) throws(Failure) {
        Terminal.complain(text)
        guard !isGranted, Terminal.isInputTerminal else { return }
        Terminal.write("Go on? [y/N] ", to: 2)
        guard let answer = readLine(strippingNewline: true), ["y", "Y", "yes"].contains(answer) else {
            throw Failure(.usage, "nothing was done")
        }
    }
}
