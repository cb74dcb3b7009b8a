import Glibc

/// The daemon's control socket as a place: every request has a connection of its own, so that a restart of the daemon in
/// between does no harm.
struct ControlEndpoint: Sendable {
    let path: String

    func connect() throws(Failure) -> ControlSocket { try ControlSocket(path: path) }

    /// Asks, and takes the whole answer, refusals included.
    func exchange(
        _ method: StaticString, _ target: ControlTarget, sending sent: Span<UInt8> = Span()
    ) throws(Failure) -> ControlAnswer {
        try connect().exchange(method, target, sending: sent)
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
