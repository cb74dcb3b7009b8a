import ArgumentParser
import VaultCore

/// Keeps card numbers out of the command line: it is shown to everybody by `ps`, and kept by shells.
enum CommandLineCards {
    static let message =
        "card numbers and tokens are read from standard input, one a line, never from the command line, where other "
        + "users can see them (and now assume that the number was seen)"

    /// Whether an argument that is no option's value looks like a card number, spaces and hyphens aside. Asked before
    /// the arguments are parsed, because a parser repeats in its errors what it does not understand.
    static func areThere(_ arguments: [String]) -> Bool {
        for (index, argument) in arguments.enumerated().dropFirst() {
            let previous = arguments[index - 1]
            if previous.hasPrefix("--"), !previous.contains("=") { continue }
            let digits = argument.utf8.filter { $0 != 0x20 && $0 != 0x2D }
            let bytes = Array(digits)
            guard (12...19).contains(bytes.count) else { continue }
            do throws(PANError) {
                _ = try PAN(ascii: bytes.span, acceptLuhnInvalid: true)
                return true
            } catch {}
        }
        return false
    }
}

/// Takes every word on the command line that is no option, to refuse it.
struct NoWords: ParsableArguments {
    @Argument(help: .hidden)
    var words: [String] = []

    /// Says nothing of the words themselves.
    private static let message =
        "this command takes nothing but options; card numbers and tokens are read from standard input, one a line, "
        + "never from the command line, where other users can see them"

    func validate() throws {
        guard words.isEmpty else { throw ValidationError(Self.message) }
    }
}
