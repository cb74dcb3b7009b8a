import ArgumentParser
import StrongroomClient
import VaultCore
import VaultServer

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "The audit log: verify it, read it, and prove what is in it.",
        subcommands: [Verify.self, Show.self, Export.self, Prove.self, Checkpoint.self, Key.self])
}

/// Records from the daemon, or from files that lie elsewhere.
struct RecordSource: ParsableArguments {
    @Option(help: ArgumentHelp("Read this audit directory, without a daemon.", valueName: "directory"))
    var offline: String?

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard offline == nil || (options.place.config == nil && options.place.control == nil) else {
            throw ValidationError("--offline needs no daemon: leave --config and --control out")
        }
    }

    /// Hands over every record that is wanted, in order. Gives the number of lines that are no record.
    func records(
        _ wanted: RecordOptions, body: (AuditLine) throws(Failure) -> Void
    ) async throws(Failure) -> UInt64 {
        guard let offline else { return try await fromDaemon(wanted, body: body) }
        let filter = try await wanted.filter()
        var failure: Failure?
        let summary = try Self.reading { () throws(AuditReadError) in
            try AuditScan.run(try Self.listing(offline), filter) { line throws(AuditReadError) in
                do throws(Failure) {
                    try body(line)
                    return true
                } catch {
                    failure = error
                    return false
                }
            }
        }
        if let failure { throw failure }
        return summary.unreadable
    }

    private func fromDaemon(
        _ wanted: RecordOptions, body: (AuditLine) throws(Failure) -> Void
    ) async throws(Failure) -> UInt64 {
        let target = ControlTarget("/v1/audit/records", try wanted.query())
        var unreadable: UInt64?
        try options.endpoint().lines("POST", target, sending: try await wanted.body()) { (bytes) throws(Failure) in
            if let line = AuditLine(bytes) { return try body(line) }
            unreadable = try StreamEnd.unreadable(bytes)
        }
        guard let unreadable else { throw StreamEnd.missing }
        return unreadable
    }

    static func listing(_ path: String) throws(AuditReadError) -> AuditListing {
        do throws(FileError) {
            return try AuditListing(path)
        } catch {
            throw .file(error)
        }
    }

    static func reading<R>(_ body: () throws(AuditReadError) -> R) throws(Failure) -> R {
        do throws(AuditReadError) {
            return try body()
        } catch {
            switch error {
            case .finding(let finding): throw Failure(.dataError, finding.detail)
            default: throw Failure(.inputOutput, error.message)
            }
        }
    }

    /// Says that some lines were passed over.
    static func warn(_ unreadable: UInt64) {
        guard unreadable > 0 else { return }
        Terminal.complain(
            "strongroom: \(Figures.count(unreadable, "line")) in the log could not be read; 'strongroom audit verify' says "
                + "which is the first")
    }
}

/// The last line of a stream: a summary, without which the answer is not whole.
enum StreamEnd {
    static let missing = Failure(.unavailable, "the vault ended its answer too early")

    /// Lines that could not be read; throws what the vault says went wrong.
    static func unreadable(_ bytes: [UInt8]) throws(Failure) -> UInt64 {
        guard let value = JSONValue(bytes) else { throw Failure(.unavailable, "the vault's answer makes no sense") }
        if let title = value["title"]?.text { throw Failure(.unavailable, title) }
        guard let unreadable = value["summary"]?["unreadable"]?.integer else { throw missing }
        return unreadable
    }
}

/// Lines for standard output, written in large pieces.
struct OutputLines {
    private static let pieceBytes = 64 << 10
    private var text = ""

    mutating func add(_ line: String) throws(Failure) {
        if !text.isEmpty { text += "\n" }
        text += line
        if text.utf8.count >= Self.pieceBytes { try flush() }
    }

    mutating func flush() throws(Failure) {
        guard !text.isEmpty else { return }
        try Terminal.print(text)
        text = ""
    }
}
