internal import Logging
internal import NIOPosix
internal import VaultCore

/// `strongroom verify`: checks every record, index entry and counter while the vault serves, and streams how far it is.
///
/// Each line is a JSON object: progress (`table`, `done`, `total`, `findings`), then findings one a line, then the `report`.
/// Token numbers appear here and nowhere else: the operator needs them to find the card's owner.
struct VerifyJob: Sendable {
    let service: VaultService
    /// Between two lines of progress, in nanoseconds.
    private static let progressInterval: UInt64 = 200_000_000

    func start(_ responder: PlainHTTPHandler.Responder) {
        guard service.jobs.begin(.verify) else {
            return responder.answer(
                .json(
                    .object([("code", .string("busy")), ("title", .string("A verify is running already."))]),
                    status: 409))
        }
        service.background.submit { _ in
            run(responder)
            service.jobs.end(.verify)
        }
    }

    private func run(_ responder: PlainHTTPHandler.Responder) {
        let report: VerifyReport
        do throws(StoreError) {
            guard let store = service.host.currentStore, let keyring = service.host.keyring else {
                throw .damaged("the vault is sealed, or being reopened")
            }
            var verifier = try Verifier(store: store, keyring: keyring)
            report = verify(&verifier, responder)
        } catch {
            return responder.answer(
                .json(.object([("code", .string("unavailable")), ("title", .string(error.message))]), status: 503))
        }
        for finding in report.findings { responder.line(line(finding)) }
        responder.line(summary(report))
        responder.end()
        service.metrics.verifyFinished(findings: report.findingCount, isComplete: report.isComplete)
        service.logger.notice(
            "verify_finished",
            metadata: [
                "records": "\(report.records)", "findings": "\(report.findingCount)",
                "complete": "\(report.isComplete)",
            ])
    }

    /// Ends early where nobody listens any more, the daemon drains, or the store has to be reopened.
    private func verify(_ verifier: inout Verifier, _ responder: PlainHTTPHandler.Responder) -> VerifyReport {
        var lastLine: UInt64 = 0
        let keyring = { @Sendable in service.host.keyring }
        return verifier.run(
            keyring: keyring,
            progress: { progress in
                let now = MonotonicClock.now
                if now - lastLine > Self.progressInterval {
                    lastLine = now
                    responder.line(
                        .object([
                            ("table", .string(progress.table.rawValue)), ("done", .number(progress.done)),
                            ("total", .number(progress.total)), ("findings", .number(progress.findings)),
                        ]))
                }
                return !responder.isGone() && !service.jobs.areCancelled && service.host.state == .writing
            })
    }

    private func line(_ finding: VerifyFinding) -> JSONText {
        .object([
            ("finding", .string(finding.kind.rawValue)), ("table", .string(finding.table.rawValue)),
            ("token", finding.token == 0 ? .null : .string(String(finding.token))),
            ("position", .number(finding.position)), ("what", .string(finding.subject)),
            ("stored", .number(finding.stored)), ("counted", .number(finding.counted)),
        ])
    }

    private func summary(_ report: VerifyReport) -> JSONText {
        .object([
            (
                "report",
                .object([
                    ("records", .number(report.records)), ("index_entries", .number(report.indexEntries)),
                    ("subjects", .number(report.subjects)), ("findings", .number(report.findingCount)),
                    ("complete", .bool(report.isComplete)), ("sound", .bool(report.isSound)),
                ])
            )
        ])
    }
}
