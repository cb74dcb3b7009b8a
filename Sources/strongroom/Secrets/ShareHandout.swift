import Glibc
import StrongroomClient
import VaultCore

/// How shares reach their custodians: files, one screen each, or lines for another program.
enum ShareHandout {
    /// Each in a new file of its own.
    case directory(String)
    /// One at a time on the terminal, which is cleared in between.
    case terminal
    /// All of them on standard output, which is none.
    case pipe

    /// Chooses the way, and makes sure that it is open, before any share exists.
    init(directory: String?) throws(Failure) {
        if let directory {
            try Self.prepare(directory)
            self = .directory(directory)
        } else if isatty(1) == 1 {
            guard Terminal.isOutputTerminal, Terminal.isInputTerminal else {
                throw Failure(
                    .usage,
                    "shares are shown one at a time on a terminal that can be cleared; this is none: give --output-dir")
            }
            self = .terminal
        } else {
            self = .pipe
        }
    }

    private static func prepare(_ directory: String) throws(Failure) {
        if unsafe mkdir(directory, 0o700) == 0 { return }
        guard errno == EEXIST else { throw Failure(.cannotCreate, "\(directory): \(systemText(errno))") }
        guard unsafe access(directory, W_OK | X_OK) == 0 else {
            throw Failure(.cannotCreate, "\(directory): \(systemText(errno))")
        }
    }

    /// Puts every share out. Where it throws, `made` has the files that were made.
    func perform(_ sheet: borrowing ShareSheet, made: inout [String]) throws(Failure) {
        switch self {
        case .directory(let directory):
            for entry in sheet.entries {
                try Interruption.check()
                let path = "\(directory)/\(Self.fileName(entry))"
                try Self.write(sheet.text(of: entry), to: path)
                made.append(path)
            }
        case .terminal: try Self.show(sheet)
        case .pipe: try Self.printLines(sheet)
        }
    }

    /// `share-2-anna`; what could be another path is left out of the name.
    static func fileName(_ entry: ShareSheet.Entry) -> String {
        var name = "share-\(entry.index)-"
        for scalar in entry.custodian.unicodeScalars {
            let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            name.unicodeScalars.append(isPlain || scalar == "-" || scalar == "." || scalar == "@" ? scalar : "_")
        }
        return name
    }

    /// Removes files of shares that never came into force.
    static func remove(_ made: [String]) {
        for path in made { _ = unsafe unlink(path) }
    }

    private static func write(_ share: Span<UInt8>, to path: String) throws(Failure) {
        var line = SecureBuffer(capacity: share.count + 1)
        line.append(contentsOf: share)
        line.append(0x0A)
        do throws(FileError) {
            try AtomicFile.create(path, with: line.span)
        } catch {
            throw Failure(error.code == EEXIST ? .cannotCreate : .inputOutput, error.message)
        }
    }

    // MARK: The terminal

    private static let clear = "\u{1B}[H\u{1B}[2J\u{1B}[3J"

    private static func show(_ sheet: borrowing ShareSheet) throws(Failure) {
        // The second screen keeps no lines that were scrolled away.
        Terminal.write("\u{1B}[?1049h" + clear, to: 1)
        defer { Terminal.write(clear + "\u{1B}[?1049l", to: 1) }
        try SilentTerminal.during { () throws(Failure) in try showEach(sheet) }
    }

    private static func showEach(_ sheet: borrowing ShareSheet) throws(Failure) {
        var answers = SecretLines()
        for entry in sheet.entries {
            try screen(
                "\(sheet.count) shares of set \(sheet.set) are shown, one at a time; any \(sheet.threshold) of them "
                    + "open the vault.\n\nNow share \(entry.index), for \(entry.custodian). Everybody else looks away.\n\n"
                    + "Enter shows it.", &answers)
            Terminal.write(clear + "Share \(entry.index) of \(sheet.count), for \(entry.custodian):\n\n", to: 1)
            var line = SecureBuffer()
            line.append(contentsOf: sheet.text(of: entry))
            line.append(0x0A)
            try Terminal.print(line)
            Terminal.write("\nWrite it down and compare it group by group. Enter clears the screen.", to: 1)
            try enter(&answers)
        }
    }

    private static func screen(_ text: String, _ answers: inout SecretLines) throws(Failure) {
        Terminal.write(clear + text, to: 1)
        try enter(&answers)
    }

    private static func enter(_ answers: inout SecretLines) throws(Failure) {
        if try answers.next() == .end { throw Failure(.tryAgain, "ended before all shares were written down") }
    }

    // MARK: Another program

    private static func printLines(_ sheet: borrowing ShareSheet) throws(Failure) {
        var lines = SecureBuffer()
        for entry in sheet.entries {
            lines.append("\(entry.index)\t\(entry.custodian)\t")
            lines.append(contentsOf: sheet.text(of: entry))
            lines.append(0x0A)
        }
        try Terminal.print(lines)
    }
}
