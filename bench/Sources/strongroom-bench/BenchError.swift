internal import StrongroomClient

/// Why a benchmark has no result. A wrong answer ends it: a fast vault that is wrong is worth nothing.
enum BenchError: Error, CustomStringConvertible {
    /// The vault revealed something other than the card that was stored.
    case wrongAnswer(scenario: String)
    /// The vault answered with an HTTP status other than 200.
    case refused(scenario: String, status: Int)
    /// A stream ended with fewer or more answers than questions.
    case wrongCount(scenario: String, expected: Int, got: Int)
    /// The connection or the call failed.
    case failed(scenario: String, StrongroomError)
    /// The process with this id cannot be looked at.
    case noSuchProcess(Int32)
    /// The control socket does not do what it should.
    case control(String)
    /// The rotation does not end; `reason` is the vault's own.
    case rotationStuck(state: String, reason: String)
    /// More requests were due than the vault answered.
    case overloaded(scenario: String)
    /// A thread cannot be started; the number is an errno.
    case thread(errno: Int32)
    /// Something was not as it must be: there is no result.
    case checkFailed(count: Int)
    /// A file cannot be written; the number is an errno.
    case file(String, errno: Int32)

    var description: String {
        switch self {
        case .wrongAnswer(let scenario): "\(scenario): an answer is not the card that was stored"
        case .refused(let scenario, let status): "\(scenario): the vault answered with status \(status)"
        case .wrongCount(let scenario, let expected, let got): "\(scenario): \(got) answers to \(expected) lines"
        case .failed(let scenario, let error): "\(scenario): \(error)"
        case .noSuchProcess(let pid): "no process \(pid), or not ours to look at"
        case .control(let text): "control socket: \(text)"
        case .rotationStuck(let state, let reason): "the rotation does not end: \(state) \(reason)"
        case .overloaded(let scenario): "\(scenario): the load is more than this machine stands; lower its rate"
        case .thread(let number): "no thread (errno \(number))"
        case .checkFailed(let count): "\(count) checks FAILED: these figures are worth nothing"
        case .file(let path, let number): "\(path) cannot be written (errno \(number))"
        }
    }
}
