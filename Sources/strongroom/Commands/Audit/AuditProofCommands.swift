import ArgumentParser
import VaultCore
import VaultServer

extension AuditCommand {
    struct Prove: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "prove", abstract: "Prove that a record is in the log, or that the log only grew.",
            discussion: """
                With --record: the hashes that lead from a record to the root of the tree over the first --size \
                records. With --from: those that lead from the root of a smaller tree to that of the larger one. \
                Without --size it is that of the latest checkpoint, which is shown too: the root in it is signed. Proofs \
                are those of RFC 6962; a record's leaf is its line without the newline.
                """)

        @Option(help: ArgumentHelp("A record's number.", valueName: "n"))
        var record: UInt64?

        @Option(help: ArgumentHelp("How many records the smaller tree has.", valueName: "n"))
        var from: UInt64?

        @Option(
            name: [.customLong("size"), .customLong("to")],
            help: ArgumentHelp("How many records the tree has.", valueName: "n"))
        var size: UInt64?

        @Flag(help: "JSON.")
        var json = false

        @OptionGroup var source: RecordSource

        func validate() throws {
            guard (record == nil) != (from == nil) else { throw ValidationError("give --record or --from") }
        }

        func perform() async throws(Failure) {
            let (text, value) = try answer()
            if json { return try Terminal.print(text) }
            if let line = value["line"]?.text { try Terminal.print("record  \(line)") }
            if let root = value["from_root"]?.text {
                try Terminal.print("from    \(value["from"]?.integer ?? 0) \(root)")
            }
            try Terminal.print("size    \(value["size"]?.integer ?? 0)")
            try Terminal.print("root    \(value["root"]?.text ?? "")")
            for hash in value["proof"]?.items ?? [] { try Terminal.print("proof   \(hash.text ?? "")") }
            if let note = value["checkpoint"]?.text { try Terminal.print("\n" + String(note.dropLast())) }
        }

        private func answer() throws(Failure) -> (text: String, value: JSONValue) {
            if let path = source.offline { return try offline(path) }
            return try online()
        }

        private func online() throws(Failure) -> (text: String, value: JSONValue) {
            var query: [(name: StaticString, values: [String])] = []
            if let record { query.append(("record", [String(record)])) }
            if let from { query.append(("from", [String(from)])) }
            if let size { query.append(("size", [String(size)])) }
            return try source.options.endpoint().call("GET", ControlTarget("/v1/audit/prove", query))
        }

        private func offline(_ path: String) throws(Failure) -> (text: String, value: JSONValue) {
            let (record, from, wanted) = (record, from, size)
            let json = try RecordSource.reading { () throws(AuditReadError) in
                let listing = try RecordSource.listing(path)
                let latest = try listing.lastCheckpoint()
                let size = wanted ?? latest?.checkpoint.size ?? 0
                let note = latest.flatMap { $0.checkpoint.size == size ? $0.note.description : nil }
                if let record {
                    return AuditText.inclusion(
                        record, try AuditProver.inclusion(of: record, size: size, in: listing), note)
                }
                let old = from ?? 0
                return AuditText.consistency(
                    old, try AuditProver.consistency(from: old, to: size, in: listing), note)
            }
            guard let value = JSONValue(Array(json.text.utf8)) else {
                throw Failure(.software, "the proof makes no sense")
            }
            return (json.text, value)
        }
    }

    struct Checkpoint: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint", abstract: "Show the latest checkpoint, for a witness to keep.",
            discussion: """
                A signed note (C2SP tlog-checkpoint): whose log it is, how many records it has, the root of the tree \
                over them, and signatures. Kept where whoever can rewrite the log cannot reach it, it is what \
                'strongroom audit verify --witness' compares with.
                """)

        @Flag(help: "JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/audit/checkpoint")
            // With the empty line that stands between notes: '>>' makes a witness's file.
            try Terminal.print(json ? text : value["note"]?.text ?? "")
        }
    }

    struct Key: FailingCommand {
        static let configuration = CommandConfiguration(
            commandName: "key", abstract: "Show the keys that checkpoints are verified with, oldest first.",
            discussion: "Note them where the log cannot be rewritten, when the vault is set up and at each rotation.")

        @Flag(help: "JSON.")
        var json = false

        @OptionGroup var options: ControlOptions

        func perform() async throws(Failure) {
            let (text, value) = try options.endpoint().call("GET", "/v1/audit/keys")
            if json { return try Terminal.print(text) }
            for key in value["keys"]?.items ?? [] { try Terminal.print(key.text ?? "") }
        }
    }
}
