import Glibc

/// Standard input without echo: what is typed is not shown, and Ctrl-Z does not leave a terminal behind that shows
/// nothing.
enum SilentTerminal {
    /// Turns echo off for the length of `body`, however that ends. Does nothing where standard input is no terminal.
    static func during(_ body: () throws(Failure) -> Void) throws(Failure) {
        var mode = termios()
        guard Terminal.isInputTerminal, unsafe tcgetattr(0, &mode) == 0 else { return try body() }
        var saved = mode
        mode.c_lflag &= ~tcflag_t(ECHO | ECHONL)
        // The field has NCCS bytes, and VSUSP is one of their places.
        unsafe withUnsafeMutableBytes(of: &mode.c_cc) { unsafe $0[Int(VSUSP)] = 0 }
        guard unsafe tcsetattr(0, TCSAFLUSH, &mode) == 0 else {
            throw Failure(.osError, "echo cannot be turned off: \(systemText(errno))")
        }
        defer { _ = unsafe tcsetattr(0, TCSAFLUSH, &saved) }
        try body()
    }
}
