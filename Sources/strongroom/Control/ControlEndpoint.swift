import Glibc
import StrongroomClient

/// The daemon's control socket as a place: every request has a connection of its own, so that a restart of the daemon in
/// between does no harm.
struct ControlEndpoint: Sendable {
    let path: String

    func connect() throws(Failure) -> ControlSocket { try ControlSocket(path: path) }

    /// Asks, and takes the whole answer, refusals included. Where the vault wants a one-time code, the person is asked for
    /// one and the command given again with it.
    func exchange(
        _ method: StaticString, _ target: ControlTarget, sending sent: Span<UInt8> = Span()
    ) throws(Failure) -> ControlAnswer {
        let answer = try connect().exchange(method, target, sending: sent)
        guard answer.refusal?.code == CodeEntry.wanted else { return answer }
        var entry = CodeEntry()
        return try entry.exchange(self, method, target, sending: sent)
    }

    /// Asks for what comes in pieces, and hands them over as they arrive; with a one-time code where the vault wants one.
    /// Gives back the status, and the refusal if it is one.
    func stream(
        _ method: StaticString, _ target: ControlTarget, sending sent: [UInt8] = [],
        body: (Span<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> (status: Int, refusal: ControlRefusal?) {
        var entry = CodeEntry()
        var code = SecureBuffer()
        while true {
            var refused: [UInt8] = []
            let status = try connect().request(method, target, sending: sent.span, code: code.span) {
                (status, piece) throws(Failure) in
                guard status != 200 else { return try body(piece) }
                // A refusal is short.
                for index in piece.indices where refused.count < 4096 { refused.append(piece[index]) }
            }
            guard let refusal = ControlRefusal(status: status, JSONValue(refused)) else { return (status, nil) }
            guard [CodeEntry.wanted, CodeEntry.wrong].contains(refusal.code) else { return (status, refusal) }
            code = try entry.next(after: refusal)
        }
    }

    /// Asks for JSON; throws what the vault refuses.
    func call(_ method: StaticString, _ target: ControlTarget) throws(Failure) -> (text: String, value: JSONValue) {
        try exchange(method, target).json()
    }

    /// Seconds without a daemon that a look from time to time bears.
    private static let absenceSecondsMax = 15

    /// Asks again and again where nothing answers: for those who look from time to time, while the daemon may restart.
    func poll(_ target: ControlTarget) throws(Failure) -> (text: String, value: JSONValue) {
        var absence = 0
        while true {
            let failure: Failure
            do throws(Failure) {
                let answer = try exchange("GET", target)
                return try answer.json()
            } catch {
                failure = error
            }
            guard failure.isAbsence, absence < Self.absenceSecondsMax else { throw failure }
            absence += 1
            sleep(1)
        }
    }
}
