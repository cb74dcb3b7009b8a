import StrongroomClient

/// Shows an operator the secret of new one-time codes, and has the vault put it in force with a first code.
struct Enrolment {
    let endpoint: ControlEndpoint

    private static let clear = "\u{1B}[H\u{1B}[2J\u{1B}[3J"

    init(endpoint: ControlEndpoint) { self.endpoint = endpoint }

    /// Returns when a code was right.
    mutating func perform(_ address: consuming SecureBuffer) throws(Failure) {
        address.append(0x0A)
        guard Terminal.isOutputTerminal, Terminal.isInputTerminal else {
            try Terminal.print(address)
            return try confirm()
        }
        // The second screen keeps no lines that were scrolled away.
        Terminal.write("\u{1B}[?1049h" + Self.clear, to: 1)
        defer { Terminal.write(Self.clear + "\u{1B}[?1049l", to: 1) }
        try show(address)
        try confirm()
    }

    private func show(_ address: borrowing SecureBuffer) throws(Failure) {
        // The address without its line end.
        if let code = QRCode(address.span.extracting(0..<address.count - 1)) {
            let size = QRDrawing.size(code)
            // The address, what is said, and the question.
            let others = address.count / Terminal.width(of: 1) + 5
            if size.columns <= Terminal.width(of: 1), size.lines + others <= Terminal.height {
                try Terminal.print(QRDrawing.lines(code, inColor: Terminal.usesColor))
            } else {
                try Terminal.print(
                    "(A terminal of \(size.columns) columns and \(size.lines + others) lines has room for a QR code.)\n"
                )
            }
        }
        try Terminal.print("Give this to your code generator, then enter the code that it shows:\n")
        try Terminal.print(address)
    }

    private func confirm() throws(Failure) {
        while true {
            let code: SecureBuffer
            do throws(Failure) {
                code = try CodeEntry.read("\nOne-time code: ")
            } catch {
                // A slip of the hand does not take the secret off the screen.
                guard error.status == .dataError, Terminal.isInputTerminal else { throw error }
                Terminal.complain("strongroom: \(error.message)")
                continue
            }
            let answer = try endpoint.connect().exchange("POST", "/v1/mfa/confirm", code: code.span)
            if let refusal = answer.refusal, refusal.code == CodeEntry.wrong, Terminal.isInputTerminal {
                Terminal.complain("strongroom: \(refusal.title)")
                continue
            }
            _ = try answer.json()
            return
        }
    }
}
