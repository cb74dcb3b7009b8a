import SecretMemory
import StrongroomClient

/// A QR code as text: two modules above each other in one character. Light is drawn and dark is left out, since most
/// terminals are dark; with colors it is white on black whatever the terminal is.
enum QRDrawing {
    /// Light modules on each side, as the standard asks for.
    private static let margin = 4

    /// Lines that a drawing has, and columns.
    static func size(_ code: borrowing QRCode) -> (lines: Int, columns: Int) {
        let side = code.side + 2 * margin
        return ((side + 1) / 2, side)
    }

    static func lines(_ code: borrowing QRCode, inColor: Bool) -> SecureBuffer {
        let (count, columns) = size(code)
        var text = SecureBuffer(capacity: count * (columns * 3 + 40))
        for line in 0..<count {
            if inColor { text.append("\u{1B}[38;5;231;48;5;16m") }
            for column in 0..<columns {
                let (row, column) = (2 * line - margin, column - margin)
                // Below the last line there is nothing, which is not light.
                let isBelow = row + 1 < code.side + margin
                switch (code.isDark(row: row, column: column), !isBelow || code.isDark(row: row + 1, column: column)) {
                case (false, false): text.append("█")
                case (false, true): text.append("▀")
                case (true, false): text.append("▄")
                case (true, true): text.append(" ")
                }
            }
            text.append(inColor ? "\u{1B}[0m\n" : "\n")
        }
        return text
    }
}
