internal import LMDB

/// A honey token, for those who lay it out.
package struct HoneyToken: Equatable, Sendable {
    package let token: UInt64
    package let format: UInt16
    /// Unix seconds.
    package let created: UInt32
    /// Unix seconds; 0 = none.
    package let deadline: UInt32
}

extension Store {
    /// Records looked at in one snapshot.
    private static let honeySlice = 8_192

    /// Every honey token, `max` at most, in the order of the table. Walks all records in short snapshots and opens none: not
    /// for event loops. Takes a reader slot for its time.
    package func honeyTokens(max: Int) throws(StoreError) -> [HoneyToken] {
        do throws(LMDBError) {
            var reader = try Reader(environment)
            var found: [HoneyToken] = []
            var next: UInt64? = 0
            while let start = next, found.count < max { next = try honeySlice(&reader, from: start, &found, max: max) }
            return found
        } catch {
            throw .lmdb(error)
        }
    }

    /// Where to go on; `nil` at the end.
    private func honeySlice(
        _ reader: inout Reader, from start: UInt64, _ found: inout [HoneyToken], max: Int
    ) throws(LMDBError) -> UInt64? {
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(tables.tokens)
        var isInside = try cursor.seek(atOrAfter: start)
        for _ in 0..<Self.honeySlice where isInside {
            if let header = RecordHeader(cursor.value), header.flags.contains(.honey), found.count < max {
                found.append(
                    HoneyToken(
                        token: cursor.key, format: header.format, created: header.created, deadline: header.deadline))
            }
            isInside = try cursor.next()
        }
        return isInside ? cursor.key : nil
    }
}
