package import VaultCore

/// What is told of the log as JSON.
package enum AuditText {
    package static func progress(_ progress: AuditVerifier.Progress) -> JSONText {
        .object([
            ("done", .number(progress.doneBytes)), ("total", .number(progress.totalBytes)),
            ("records", .number(progress.records)),
        ])
    }

    package static func report(_ report: AuditReport) -> JSONText {
        .object([
            ("sound", .bool(report.isSound)), ("complete", .bool(report.isComplete)),
            ("records", .number(report.records)), ("first", .number(report.first)), ("last", .number(report.last)),
            ("segments", .number(report.segments)), ("authenticated", .number(report.authenticated)),
            ("checkpoints", .number(report.checkpoints)), ("signed_through", .number(report.signedThrough)),
            ("witnesses", .number(report.witnesses)), ("breaks", .array(report.breaks.map { .number($0) })),
            ("root", report.root.isEmpty ? .null : .string(hexText(report.root))),
            ("finding", report.finding.map(finding) ?? .null),
        ])
    }

    private static func finding(_ finding: AuditFinding) -> JSONText {
        .object([
            ("kind", .string(finding.kind.rawValue)), ("file", .string(finding.file)), ("line", .number(finding.line)),
            ("record", .number(finding.seq)), ("detail", .string(finding.detail)),
        ])
    }

    /// The last line of a scan: how many records were looked at and matched.
    package static func summary(_ summary: AuditScan.Summary, matched: UInt64) -> JSONText {
        .object([
            (
                "summary",
                .object([
                    ("records", .number(summary.records)), ("matched", .number(matched)),
                    ("unreadable", .number(summary.unreadable)),
                ])
            )
        ])
    }

    /// One revealed card. `subject` is nothing where the token has none, or is not in the vault any more.
    static func exposure(_ token: UInt64, _ subject: String?, _ line: AuditLine, isWithheld: Bool) -> JSONText {
        func text(_ name: StaticString) -> JSONText { line.text(name).map { .string($0) } ?? .null }
        return .object([
            ("time", .string(line.time.text)), ("token", .string(String(token))),
            ("subject", subject.map { .string($0) } ?? .null), ("purpose", text("purpose")), ("client", text("client")),
            ("certificate", text("certificate")), ("peer", text("peer")), ("record", .number(line.seq)),
            ("withheld", .string(isWithheld ? "yes" : "no")),
        ])
    }

    package static func inclusion(_ record: UInt64, _ answer: AuditProver.Answer, _ note: String?) -> JSONText {
        .object([
            ("record", .number(record)), ("index", .number(record - 1)), ("size", .number(answer.size)),
            ("root", .string(hexText(answer.root))), ("line", .string(String(decoding: answer.line, as: UTF8.self))),
            ("proof", hashes(answer)), ("checkpoint", note.map { .string($0) } ?? .null),
        ])
    }

    package static func consistency(_ old: UInt64, _ answer: AuditProver.Answer, _ note: String?) -> JSONText {
        .object([
            ("from", .number(old)), ("from_root", .string(hexText(answer.oldRoot))), ("size", .number(answer.size)),
            ("root", .string(hexText(answer.root))), ("proof", hashes(answer)),
            ("checkpoint", note.map { .string($0) } ?? .null),
        ])
    }

    private static func hashes(_ answer: AuditProver.Answer) -> JSONText {
        .array(answer.proof.hashes.map { .string(hexText($0)) })
    }
}
