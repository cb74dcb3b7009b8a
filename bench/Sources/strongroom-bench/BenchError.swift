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
    /// A file cannot be written; the number is an errno.
    case file(String, errno: Int32)

    var description: String {
        switch self {
        case .wrongAnswer(let scenario): "\(scenario): an answer is not the card that was stored"
        case .refused(let scenario, let status): "\(scenario): the vault answered with status \(status)"
        case .wrongCount(let scenario, let expected, let got): "\(scenario): \(got) answers to \(expected) lines"
        case .failed(let scenario, let error): "\(scenario): \(error)"
        case .noSuchProcess(let pid): "no process \(pid), or not ours to look at"
        case .file(let path, let number): "\(path) cannot be written (errno \(number))"
        }
    }
}
