import ArgumentParser
import Glibc

struct StatusCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the state of the vault: sealed or not, keys, jobs, records, capacity, certificates.")

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func perform() async throws(Failure) {
        let (text, value) = try options.endpoint().call("GET", "/v1/status")
        if json { return try Terminal.print(text) }
        for line in StatusReport(value, now: UInt64(max(0, time(nil)))).lines { try Terminal.print(line) }
    }
}
