import Glibc
import StrongroomClient

/// Standard error and what it is connected to. Standard output for cards is `StandardOutput`.
enum Terminal {
    static let isErrorTerminal = isatty(2) == 1 && !isDumb
    static let isOutputTerminal = isatty(1) == 1 && !isDumb
    static let isInputTerminal = isatty(0) == 1

    /// Colors for people: never into a file, never against NO_COLOR.
    static let usesColor = isOutputTerminal && (environment("NO_COLOR") ?? "").isEmpty

    private static let isDumb = environment("TERM") == "dumb"

    /// A variable of the environment, which nothing here changes.
    static func environment(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

    /// A line on standard error.
    static func complain(_ text: String) { write(text + "\n", to: 2) }

    /// Text without card data on standard error or output; a reader that is gone is not told.
    static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            // The array has `bytes.count` bytes.
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            done += count
        }
    }

    /// A line on standard output; ends the process where nobody reads it.
    static func print(_ text: String) throws(Failure) { try print(Array((text + "\n").utf8).span) }

    /// Lines that are secret, on standard output.
    static func print(_ lines: borrowing SecureBuffer) throws(Failure) { try print(lines.span) }

    private static func print(_ bytes: Span<UInt8>) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let rest = bytes.extracting(done..<bytes.count)
            // The memory is lent for the call alone.
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(1, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw outputFailure(errno) }
            done += count
        }
    }

    /// A closed pipe is said by the exit status alone, as everywhere.
    static func outputFailure(_ code: Int32) -> Failure {
        Failure(.inputOutput, code == EPIPE ? "" : "standard output: \(systemText(code))")
    }

    static func bold(_ text: String) -> String { styled(text, 1) }
    static func red(_ text: String) -> String { styled(text, 31) }
    static func yellow(_ text: String) -> String { styled(text, 33) }
    static func green(_ text: String) -> String { styled(text, 32) }

    private static func styled(_ text: String, _ code: Int) -> String {
        usesColor ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// Columns of standard error.
    static var width: Int { width(of: 2) }

    /// Lines of standard output.
    static var height: Int {
        var size = winsize()
        guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return 24 }
        return Int(size.ws_row)
    }

    /// Columns of the terminal behind a descriptor.
    static func width(of descriptor: Int32) -> Int {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
