internal import LMDB

extension VerifyChecker {
    /// The next key that a search reaches, behind a place where pages cannot be read; `nil` where there is none.
    ///
    /// Searches for keys farther and farther on until one answers, then halves its way back to the first that does:
    /// about a hundred searches, each on a fresh snapshot if the one before failed.
    mutating func stepOver(
        _ table: VerifyTable, from key: VerifyKey, atLeast skipped: UInt64, _ reader: inout Reader
    ) -> VerifyKey? {
        var (failing, isPastEnd) = key.leading.addingReportingOverflow(skipped)
        if isPastEnd || failing == .max { return nil }
        var distance: UInt64 = 1
        var reached: UInt64?
        while reached == nil {
            let (candidate, overflow) = failing.addingReportingOverflow(distance)
            let leading = overflow ? .max : candidate
            switch probe(table, leading, &reader) {
            case .found(let key): reached = key
            case .end: reached = leading
            case .failed:
                if leading == .max { return nil }
                failing = leading
                distance = distance &* 2 == 0 ? .max : distance &* 2
            }
        }
        guard var answering = reached else { return nil }
        while answering - failing > 1 {
            let middle = failing + (answering - failing) / 2
            if case .failed = probe(table, middle, &reader) { failing = middle } else { answering = middle }
        }
        return VerifyKey(leading: answering)
    }

    private enum Probe {
        case found(UInt64)
        case end
        case failed
    }

    /// Searches once. A key below the one sought is as bad as an error: searches go astray there.
    private func probe(_ table: VerifyTable, _ leading: UInt64, _ reader: inout Reader) -> Probe {
        do throws(LMDBError) {
            let snapshot = try reader.snapshot()
            let found: UInt64?
            switch table {
            case .tokens: found = try Self.search(tables.tokens, leading, in: snapshot)
            case .subjects: found = try Self.search(tables.subjects, leading, in: snapshot)
            case .index: found = try Self.search(tables.index, leading, in: snapshot)
            case .requests, .meta: found = try Self.search(tables.requests, leading, in: snapshot)
            }
            guard let found else { return .end }
            return found < leading ? .failed : .found(found)
        } catch {
            return .failed
        }
    }

    private static func search(
        _ table: IntegerTable, _ key: UInt64, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> UInt64? {
        var cursor = try snapshot.cursor(table)
        return try cursor.seek(atOrAfter: key) ? cursor.key : nil
    }

    private static func search(
        _ table: BytesTable, _ leading: UInt64, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> UInt64? {
        let key = VerifyKey(leading: leading).bytes
        var cursor = try snapshot.cursor(table)
        guard try cursor.seek(atOrAfter: key.span) else { return nil }
        // A key too short for any that is written is as bad as one below: 0 is below all.
        return cursor.key.count >= 8 ? UInt64(bigEndian: cursor.key, at: 0) : 0
    }
}
