import ArgumentParser
import StrongroomClient
import VaultCore
import VaultServer

struct IsTokenCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "is-token",
        abstract: "Say of each line whether it could be a card number.",
        discussion: """
            Reads lines and prints 'token', 'pan', 'either' or 'neither' for each; nothing is asked of a vault, and \
            lines are not repeated. A 'pan' is 12 to 19 digits that pass the Luhn check; a 'token' cannot be a card \
            number by construction. 'either' passes Luhn, and a format of --config makes such tokens too: only the \
            vault can tell. Without --config, formats are taken to be as by default (Luhn invalid, beginning with 99).

            The exit code is 0 where every line is a token, else 65: usable as a check of exports and logs.
            """)

    @Option(help: ArgumentHelp("The daemon's configuration file, for its formats.", valueName: "file"))
    var config: String?

    @Flag(help: "No summary on standard error.")
    var quiet = false

    @Flag(help: "Answers as JSON, one line for each.")
    var json = false

    @OptionGroup var noWords: NoWords

    func perform() async throws(Failure) {
        let formats = TokenShapes(try ControlOptions.load(config)?.formats ?? [])
        let output = StandardOutput()
        let progress = Progress("line", isShown: !quiet)
        defer { progress.clear() }
        let input = StandardInput("line")
        var lines = InputLines(input)
        var printed = SecureBuffer()
        var counts: [TokenShapes.Verdict: UInt64] = [:]
        var total: UInt64 = 0
        while true {
            let taken = try await lines.next(max: 4096)
            if taken.isEmpty { break }
            for line in taken {
                let verdict = line.isMalformed ? .neither : formats.verdict(line.field)
                counts[verdict, default: 0] += 1
                total += 1
                printed.append(json ? #"{"line":\#(total),"is":"\#(verdict.rawValue)"}"# : verdict.rawValue)
                printed.append(0x0A)
            }
            try await output.write(&printed)
            progress.update(done: total, failed: 0, fraction: nil)
        }
        progress.clear()
        if !quiet {
            let parts = TokenShapes.Verdict.allCases.compactMap { verdict in
                counts[verdict].map { "\(Figures.count($0)) \(verdict.rawValue)" }
            }
            Terminal.complain("strongroom: \(Figures.count(total, "line")): " + parts.joined(separator: ", "))
        }
        if counts[.token, default: 0] < total { throw Failure(.dataError, "") }
    }
}

/// What tokens of a vault can look like.
struct TokenShapes {
    enum Verdict: String, CaseIterable {
        case token, pan, either, neither
    }

    private let formats: [Configuration.Format]

    /// - Parameter formats: empty takes one as by default.
    init(_ formats: [Configuration.Format]) { self.formats = formats.isEmpty ? [Configuration.Format()] : formats }

    func verdict(_ text: CardNumber?) -> Verdict {
        guard let text else { return .neither }
        return text.withBytes { verdict($0) }
    }

    private func verdict(_ digits: Span<UInt8>) -> Verdict {
        do throws(PANError) {
            let pan = try PAN(ascii: digits, acceptLuhnInvalid: true)
            let isToken = formats.contains { makes(pan, $0) }
            let isCard = pan.passesLuhn || formats.contains { $0.acceptLuhnInvalid }
            switch (isToken, isCard) {
            case (true, true): return .either
            case (true, false): return .token
            case (false, true): return .pan
            case (false, false): return .neither
            }
        } catch {
            return .neither
        }
    }

    /// Whether a format makes tokens of these digits. Kept digits can be any.
    private func makes(_ digits: PAN, _ format: Configuration.Format) -> Bool {
        switch format.luhn {
        case .invalid where digits.passesLuhn: return false
        case .valid where !digits.passesLuhn: return false
        default: break
        }
        guard format.keep == .last4 || format.keep == .none, let lead = Lead(format.lead) else { return true }
        return digits.value / Digits.power(Int(digits.length) - lead.digits) == lead.value
    }
}
