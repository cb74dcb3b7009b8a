import ArgumentParser
import Glibc

struct SealCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal", abstract: "Forget all keys now: the vault answers nothing until it is unsealed.",
        discussion: """
            For a suspected break-in. Clients get '503 sealed'; records stay as they are. With shares, custodians have \
            to enter them again; with another root key, 'strongroom unseal' reads it again.
            """)

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func perform() async throws(Failure) {
        let (text, value) = try options.endpoint().call("POST", "/v1/seal")
        if json { return try Terminal.print(text) }
        for line in CommandResult(value).lines { try Terminal.print(line) }
    }
}

struct UnsealCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "unseal", abstract: "Open a sealed vault with shares of its root key.",
        discussion: """
            On a terminal it asks for one share after the other, which are not shown. Elsewhere it reads them from \
            standard input, one a line. Each goes to the vault at once, so custodians may come one by one, from \
            different terminals; Ctrl-D leaves the rest to others. A share that is wrong is refused by name.

            A vault whose root key is in a file, a credential or a token reads it again, and asks for nothing.

            The exit code is 0 when the vault is open, and 75 while shares are missing.
            """)

    @Flag(help: "Have the vault wipe the shares entered so far, and begin anew.")
    var reset = false

    @Flag(help: "The vault's own JSON, one line for each share.")
    var json = false

    @OptionGroup var options: ControlOptions

    func perform() async throws(Failure) {
        let endpoint = try options.endpoint()
        if reset {
            let (text, _) = try endpoint.call("POST", "/v1/unseal/reset")
            return try Terminal.print(json ? text : "the shares entered so far are wiped")
        }
        let status = try endpoint.call("GET", "/v1/status").value
        guard status["sealed"]?.flag == true else {
            return try Terminal.print(json ? #"{"sealed":false}"# : "the vault is not sealed")
        }
        guard let unseal = status["unseal"], unseal != .null else {
            let (text, value) = try endpoint.call("POST", "/v1/unseal")
            guard value["sealed"]?.flag == false else { throw Failure(.tryAgain, "the vault is still sealed") }
            return try Terminal.print(json ? text : "the vault is open")
        }
        var entry = ShareEntry(
            endpoint: endpoint, have: unseal["have"]?.integer ?? 0, need: unseal["need"]?.integer ?? 0,
            set: Figures.set(unseal["set"]), json: json)
        try entry.perform()
    }
}
