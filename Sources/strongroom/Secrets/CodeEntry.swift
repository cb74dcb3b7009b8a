import Glibc
import StrongroomClient

/// Asks the person at the terminal for one-time codes. What is typed is not shown, and wiped.
struct CodeEntry {
    /// The codes with which the vault asks for a one-time code, and refuses one.
    static let wanted = "code_required"
    static let wrong = "code_wrong"

    /// How often a command is given again.
    private static let attemptsMax = 3
    private var attempts = 0

    /// Gives a command again with a code; once more where that was wrong.
    mutating func exchange(
        _ endpoint: ControlEndpoint, _ method: StaticString, _ target: ControlTarget,
        sending sent: Span<UInt8> = Span()
    ) throws(Failure) -> ControlAnswer {
        var refusal = ControlRefusal(status: 401, code: Self.wanted, title: "")
        while true {
            let code = try next(after: refusal)
            let answer = try endpoint.connect().exchange(method, target, sending: sent, code: code.span)
            guard let again = answer.refusal, again.code == Self.wrong, attempts < Self.attemptsMax else {
                return answer
            }
            refusal = again
        }
    }

    /// The next code, after the vault has said why. Throws where nobody can be asked, and after three wrong ones.
    mutating func next(after refusal: ControlRefusal) throws(Failure) -> SecureBuffer {
        if refusal.code == Self.wrong {
            guard attempts < Self.attemptsMax else { throw refusal.failure }
            Terminal.complain("strongroom: \(refusal.title)")
        }
        guard Terminal.isInputTerminal else {
            throw Failure(
                .denied,
                "this command asks for a one-time code: run it on a terminal, or 'strongroom mfa verify' before")
        }
        attempts += 1
        return try Self.read("One-time code: ")
    }

    /// A line of standard input, without blanks; it is asked for on a terminal.
    static func read(_ prompt: String) throws(Failure) -> SecureBuffer {
        var code = SecureBuffer()
        let lines = SecretLines()
        var taken: SecretLines? = lines
        try Interruption.heldBack { () throws(Failure) in
            try SilentTerminal.during { () throws(Failure) in
                if Terminal.isInputTerminal { Terminal.write(prompt, to: 2) }
                guard var lines = taken.take() else { return }
                code = try read(&lines)
                if Terminal.isInputTerminal { Terminal.complain("") }
            }
        }
        return code
    }

    private static func read(_ lines: inout SecretLines) throws(Failure) -> SecureBuffer {
        var code = SecureBuffer()
        guard case .line(let range) = try lines.next() else { throw Failure(.denied, "no one-time code was given") }
        let bytes = lines.bytes(range)
        for index in bytes.indices where ![0x20, 0x09, 0x0D].contains(bytes[index]) { code.append(bytes[index]) }
        // What is no code stays here: it may be anything that was on the clipboard.
        var isCode = code.count == 6
        for index in code.span.indices where !(0x30...0x39).contains(code.span[index]) { isCode = false }
        guard isCode else { throw Failure(.dataError, "a one-time code has six digits") }
        return code
    }
}
