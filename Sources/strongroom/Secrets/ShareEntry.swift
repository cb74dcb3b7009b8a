import Glibc

/// Takes shares from custodians and gives each to the vault at once. They are in locked memory, and wiped one by one.
struct ShareEntry {
    private let endpoint: ControlEndpoint
    private var have: UInt64
    private var need: UInt64
    private let set: String
    private let json: Bool
    /// The last share that was refused; nil after one that was taken.
    private var refusal: ControlRefusal?
    private let isAsking = Terminal.isInputTerminal

    init(endpoint: ControlEndpoint, have: UInt64, need: UInt64, set: String, json: Bool) {
        self.endpoint = endpoint
        self.have = have
        self.need = need
        self.set = set
        self.json = json
    }

    /// Returns when the vault is open; throws where the input ends before.
    mutating func perform() throws(Failure) {
        Interruption.holdBack()
        var taking = self
        try SilentTerminal.during { () throws(Failure) in try taking.takeAll() }
    }

    private mutating func takeAll() throws(Failure) {
        // Said when echo is off: who types as soon as something is asked for is not shown either.
        if isAsking {
            Terminal.complain(
                "The vault needs \(Figures.count(need, "share")) of set \(set); \(have) of \(need) are entered. What you "
                    + "type is not shown; Ctrl-D leaves the rest to others.")
        }
        var lines = SecretLines()
        while true {
            prompt()
            let next = try lines.next()
            if isAsking { Terminal.complain("") }
            switch next {
            case .end: throw unfinished
            case .overlong: note(Self.overlong)
            case .line(let range):
                if Self.isBlank(lines.bytes(range)) { continue }
                if try enter(lines.bytes(range)) { return }
            }
        }
    }

    private static let overlong = ControlRefusal(
        status: 422, code: "share_malformed", title: "share: longer than any share")

    private func prompt() {
        if isAsking { Terminal.write("Share \(have + 1) of \(need): ", to: 2) }
    }

    private static func isBlank(_ line: Span<UInt8>) -> Bool {
        for index in line.indices where ![0x20, 0x09, 0x0D].contains(line[index]) { return false }
        return true
    }

    /// Gives a share to the vault; true when that has opened it.
    private mutating func enter(_ share: Span<UInt8>) throws(Failure) -> Bool {
        let answer = try endpoint.exchange("POST", "/v1/unseal", sending: share)
        if let refusal = answer.refusal {
            guard refusal.isAboutShare else { throw refusal.failure }
            note(refusal)
            return false
        }
        let (text, value) = try answer.json()
        refusal = nil
        (have, need) = (value["have"]?.integer ?? have, value["need"]?.integer ?? need)
        if json { try Terminal.print(text) }
        guard value["sealed"]?.flag == false else {
            if !json { try Terminal.print("\(have) of \(need)") }
            return false
        }
        if !json { try Terminal.print("the vault is open") }
        return true
    }

    private mutating func note(_ refusal: ControlRefusal) {
        self.refusal = refusal
        Terminal.complain("strongroom: \(refusal.title)")
        guard refusal.code == "share_wrong" else { return }
        have = 0
        Terminal.complain("All shares of this round are wiped; begin anew with the first.")
    }

    /// The input has ended, and the vault is still sealed.
    private var unfinished: Failure {
        if let refusal { return Failure(refusal.exitStatus, "still sealed: the last share was refused") }
        return Failure(
            .tryAgain, "still sealed: \(have) of \(need) shares are entered; 'strongroom unseal' takes the others")
    }
}

extension ControlRefusal {
    /// Whether another share may do.
    var isAboutShare: Bool { status == 422 && code.hasPrefix("share_") }
}
