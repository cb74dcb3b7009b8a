import ArgumentParser
import Glibc
import StrongroomClient

/// How the process ends, as <sysexits.h> has it.
enum ExitStatus: Int32 {
    case usage = 64
    case dataError = 65
    case unavailable = 69
    case software = 70
    case osError = 71
    case cannotCreate = 73
    case inputOutput = 74
    case tryAgain = 75
    case denied = 77
    case configuration = 78
}

/// Why a command failed: a sentence for standard error, and the exit status. An empty sentence says nothing.
struct Failure: Error {
    let status: ExitStatus
    let message: String
    /// Whether nothing answered, so that what was asked may or may not have been done.
    let isAbsence: Bool

    init(_ status: ExitStatus, _ message: String, isAbsence: Bool = false) {
        self.status = status
        self.message = message
        self.isAbsence = isAbsence
    }

    /// What the vault or the client library says.
    init(_ error: StrongroomError) {
        self.init(Self.status(of: error), error.description)
    }

    /// Prints the sentence on standard error.
    func report() {
        if !message.isEmpty { Terminal.complain("strongroom: \(message)") }
    }

    private static func status(of error: StrongroomError) -> ExitStatus {
        switch error.code {
        case .unknownClient, .denied, .purposeDenied, .certificateRefused, .frozen: .denied
        case .unreachable, .tlsFailed: .unavailable
        case .badConfiguration: .configuration
        case _ where error.isRetryable: .tryAgain
        case .badAnswer: .software
        default: (error.status ?? 500) < 500 ? .dataError : .unavailable
        }
    }
}

/// A command that fails with a `Failure`.
protocol FailingCommand: AsyncParsableCommand {
    func perform() async throws(Failure)
}

extension FailingCommand {
    func run() async throws {
        do throws(Failure) {
            try await perform()
        } catch {
            error.report()
            Interruption.finish()
            throw ExitCode(error.status.rawValue)
        }
    }
}

/// What the system says about `code`.
func systemText(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
