/// Which records are wanted. Every condition that is set must hold.
package struct AuditFilter: Sendable {
    package var client: String?
    /// SHA-256 of a client's public key, hexadecimal.
    package var certificate: String?
    /// The name of an operator, with or without the number behind it; who approved counts too.
    package var person: String?
    /// Any of these, revealed, made, denied or otherwise named.
    package var tokens: Set<UInt64>?
    package var purpose: String?
    /// Any of these.
    package var operations: Set<String>?
    package var outcome: String?
    /// The first moment.
    package var since: AuditTime?
    /// The moment after the last.
    package var until: AuditTime?

    package init() {}

    package func matches(_ line: AuditLine) -> Bool {
        if let since, line.time < since { return false }
        if let until, line.time >= until { return false }
        if let operations, !operations.contains(line.operation) { return false }
        if let client, line.text("client") != client { return false }
        if let certificate, line.text("certificate") != certificate { return false }
        if let purpose, line.text("purpose") != purpose { return false }
        if let outcome, line.text("outcome") != outcome { return false }
        if let person, !Self.names("operator", person, line), !Self.names("approved_by", person, line) { return false }
        guard let tokens else { return true }
        return line.tokens("tokens").contains(where: tokens.contains)
            || line.tokens("denied").contains(where: tokens.contains)
            || line.text("token").flatMap { UInt64($0) }.map(tokens.contains) ?? false
    }

    /// Whether a member is `name` or `name (uid)`.
    private static func names(_ member: StaticString, _ name: String, _ line: AuditLine) -> Bool {
        guard let text = line.text(member) else { return false }
        return text == name || text.hasPrefix(name + " (")
    }
}

/// Reads the records of a log in their order, for those who look and do not verify.
package enum AuditScan {
    /// What a scan came to.
    package struct Summary: Equatable, Sendable {
        package var records: UInt64 = 0
        /// Lines that are no record: a reader is told of them, and `audit verify` names the first.
        package var unreadable: UInt64 = 0

        package init() {}
    }

    /// Hands every record that a filter lets through to `body`, until that answers false. An unfinished last line is not
    /// looked at. Blocks on the disk.
    @discardableResult
    package static func run(
        _ directory: AuditListing, _ filter: AuditFilter, body: (AuditLine) throws(AuditReadError) -> Bool
    ) throws(AuditReadError) -> Summary {
        var summary = Summary()
        for segment in directory.segments[(try start(directory, since: filter.since))...] {
            var reader = try reading { () throws(FileError) in
                try AuditFileReader(directory.file(segment.name), byteCount: segment.byteCount)
            }
            lines: while true {
                switch try reading({ () throws(FileError) in try reader.next() }) {
                case .end: break lines
                case .torn: break lines
                case .line(let bytes):
                    guard let line = AuditLine(bytes) else {
                        summary.unreadable += 1
                        continue
                    }
                    summary.records += 1
                    guard filter.matches(line) else { continue }
                    guard try body(line) else { return summary }
                }
            }
        }
        return summary
    }

    /// The newest segment that begins no later than a moment, and with it all later ones: time may have been set back in
    /// between, and records are filtered each by itself.
    static func start(_ directory: AuditListing, since: AuditTime?) throws(AuditReadError) -> Int {
        guard let since else { return 0 }
        for position in directory.segments.indices.reversed() {
            if let begin = try beginning(of: directory.segments[position], directory), begin <= since {
                return position
            }
        }
        return 0
    }

    /// The time of a segment's first record; `nil` where that is not readable.
    static func beginning(
        of segment: AuditSegment, _ directory: AuditListing
    ) throws(AuditReadError) -> AuditTime? {
        var reader = try reading { () throws(FileError) in
            try AuditFileReader(directory.file(segment.name), byteCount: segment.byteCount)
        }
        guard case .line(let bytes) = try reading({ () throws(FileError) in try reader.next() }) else { return nil }
        return AuditLine(bytes)?.time
    }
}
