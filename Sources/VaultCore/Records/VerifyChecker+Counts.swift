internal import LMDB

extension VerifyChecker {
    /// Walks all tables once more, in one snapshot and without opening anything, and compares every count with its
    /// counter.
    mutating func compareCounts(_ reader: inout Reader) {
        var counts = VerifyCounts()
        do throws(LMDBError) {
            let snapshot = try reader.snapshot()
            try counts.read(snapshot, tables)
        } catch {
            // Pages that cannot be read were reported by the walks; should it be the first sight of them, here.
            note(.unreadable, counts.current)
            return
        }
        for finding in counts.findings { report.add(finding) }
    }
}

/// What one snapshot holds, counted entry by entry, against what it says it holds.
private struct VerifyCounts {
    private(set) var findings: [VerifyFinding] = []
    private(set) var current = VerifyTable.tokens
    private var dataRecords = Tally()
    private var formatTokens = Tally()
    private var indexEntries = Tally()
    private var linked: UInt64 = 0
    private var honey: UInt64 = 0

    mutating func read(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        try readTokens(snapshot, tables)
        try readIndex(snapshot, tables)
        try readSubjects(snapshot, tables)
        try readRequests(snapshot, tables)
        current = .meta
        var meta = VerifyMeta()
        try meta.read(snapshot, tables)
        findings += meta.findings
        compare("data key", dataRecords, meta.dataRecords)
        compare("format", formatTokens, meta.formatTokens)
        compare("index key", indexEntries, meta.indexEntries)
        if honey != meta.honeyTokens {
            findings.append(
                VerifyFinding(
                    kind: .counter, table: .meta, subject: "honey tokens", stored: meta.honeyTokens, counted: honey))
        }
    }

    private mutating func readTokens(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        current = .tokens
        var cursor = try snapshot.cursor(tables.tokens)
        var count: UInt64 = 0
        var last: UInt64 = 0
        var isOrdered = true
        var isInside = try cursor.first()
        while isInside {
            let key = cursor.key
            if count > 0 && key <= last { isOrdered = false }
            last = key
            count += 1
            if let header = RecordHeader(cursor.value) {
                dataRecords.add(header.keyVersion)
                formatTokens.add(UInt32(header.format))
                if header.flags.contains(.subjectLinked) { linked += 1 }
                if header.flags.contains(.honey) { honey += 1 }
            }
            isInside = try cursor.next()
        }
        conclude(.tokens, count, isOrdered, try snapshot.statistics(tables.tokens).entries)
    }

    private mutating func readIndex(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        current = .index
        var cursor = try snapshot.cursor(tables.index)
        var count: UInt64 = 0
        var last = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        var isOrdered = true
        var isInside = try cursor.first()
        while isInside {
            if cursor.key.count == BlindIndex.keyBytes {
                let key = (
                    UInt64(bigEndian: cursor.key, at: 0), UInt64(bigEndian: cursor.key, at: 8),
                    UInt64(bigEndian: cursor.key, at: 16), UInt64(bigEndian: cursor.key, at: 24)
                )
                if count > 0 && key <= last { isOrdered = false }
                last = key
            }
            count += 1
            if cursor.value.count == 4 { indexEntries.add(UInt32(bigEndian: cursor.value, at: 0)) }
            isInside = try cursor.next()
        }
        conclude(.index, count, isOrdered, try snapshot.statistics(tables.index).entries)
    }

    private mutating func readSubjects(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        current = .subjects
        var cursor = try snapshot.cursor(tables.subjects)
        var count: UInt64 = 0
        var last: UInt64 = 0
        var isOrdered = true
        var isInside = try cursor.first()
        while isInside {
            if count > 0 && cursor.key <= last { isOrdered = false }
            last = cursor.key
            count += 1
            isInside = try cursor.next()
        }
        conclude(.subjects, count, isOrdered, try snapshot.statistics(tables.subjects).entries)
        if linked != count {
            findings.append(
                VerifyFinding(
                    kind: .counter, table: .subjects, subject: "linked tokens", stored: linked, counted: count))
        }
    }

    private mutating func readRequests(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        current = .requests
        var cursor = try snapshot.cursor(tables.requests)
        var count: UInt64 = 0
        var isInside = try cursor.first()
        while isInside {
            count += 1
            isInside = try cursor.next()
        }
        conclude(.requests, count, true, try snapshot.statistics(tables.requests).entries)
    }

    private mutating func conclude(_ table: VerifyTable, _ count: UInt64, _ isOrdered: Bool, _ entries: Int) {
        if !isOrdered { findings.append(VerifyFinding(kind: .disordered, table: table, position: count)) }
        let stored = UInt64(max(0, entries))
        if stored != count {
            findings.append(
                VerifyFinding(kind: .entryCount, table: table, position: count, stored: stored, counted: count))
        }
    }

    /// Every number that either side knows, each with 0 where it is missing.
    private mutating func compare(_ what: String, _ counted: Tally, _ stored: Tally) {
        for number in Set(counted.numbers + stored.numbers).sorted() where counted[number] != stored[number] {
            findings.append(
                VerifyFinding(
                    kind: .counter, table: .meta, subject: "\(what) \(number)", stored: stored[number],
                    counted: counted[number]))
        }
    }
}

/// The counters and registries of the meta table, with what of them cannot be right.
private struct VerifyMeta {
    private(set) var findings: [VerifyFinding] = []
    private(set) var dataRecords = Tally()
    private(set) var formatTokens = Tally()
    private(set) var indexEntries = Tally()
    private(set) var honeyTokens: UInt64 = 0

    mutating func read(_ snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) {
        let dataPrefix = MetaKey.prefix(of: MetaKey.dataRecords(0))
        let indexPrefix = MetaKey.prefix(of: MetaKey.indexEntries(0))
        let encryptionsPrefix = MetaKey.prefix(of: MetaKey.encryptions(0))
        let formatTokensPrefix = MetaKey.prefix(of: MetaKey.formatTokens(0))
        let movedPrefixes = [MetaKey.movedRecords(0), MetaKey.movedEntries(0)].map { MetaKey.prefix(of: $0) }
        var formatIDs = Tally()
        var purposeBits = Tally()
        var count: UInt64 = 0
        var cursor = try snapshot.cursor(tables.meta)
        var isInside = try cursor.first()
        while isInside {
            count += 1
            let size = cursor.value.count
            var isKnown = false
            if cursor.key.hasPrefix(dataPrefix) {
                isKnown = dataRecords.take(cursor.key, dataPrefix.count, cursor.value)
            } else if cursor.key.hasPrefix(indexPrefix) {
                isKnown = indexEntries.take(cursor.key, indexPrefix.count, cursor.value)
            } else if cursor.key.hasPrefix(formatTokensPrefix) {
                isKnown = formatTokens.take(cursor.key, formatTokensPrefix.count, cursor.value)
            } else if cursor.key.hasPrefix(encryptionsPrefix) {
                isKnown = cursor.key.count == encryptionsPrefix.count + 4 && size == 8
            } else if movedPrefixes.contains(where: { cursor.key.hasPrefix($0) }) {
                isKnown = cursor.key.count <= Environment.keyBytesMax && size == 8
            } else if cursor.key.hasPrefix(MetaKey.formatPrefix) {
                isKnown = formatIDs.take(name: cursor.key, number: cursor.value, bytes: 2, below: Registry.formatsMax)
            } else if cursor.key.hasPrefix(MetaKey.purposePrefix) {
                isKnown = purposeBits.take(
                    name: cursor.key, number: cursor.value, bytes: 1, below: Registry.purposesMax)
            } else if cursor.key.hasPrefix(MetaKey.purposeSetPrefix) {
                isKnown =
                    cursor.key.count == MetaKey.purposeSetPrefix.count + 2
                    && PurposeSets.mask(cursor.value, key: cursor.key.copied) != nil
            } else if cursor.key.isEqual(MetaKey.honeyTokens) {
                isKnown = size == 8
                if isKnown { honeyTokens = UInt64(bigEndian: cursor.value, at: 0) }
            } else {
                isKnown = MetaKey.sizes.contains { cursor.key.isEqual($0.key) && size == $0.bytes }
            }
            if !isKnown { findings.append(VerifyFinding(kind: .layoutInvalid, table: .meta, position: count)) }
            isInside = try cursor.next()
        }
        // One number for two names.
        if formatIDs.hasRepeats || purposeBits.hasRepeats {
            findings.append(VerifyFinding(kind: .layoutInvalid, table: .meta, position: count, subject: "registry"))
        }
        let stored = UInt64(max(0, try snapshot.statistics(tables.meta).entries))
        if stored != count {
            findings.append(
                VerifyFinding(kind: .entryCount, table: .meta, position: count, stored: stored, counted: count))
        }
    }
}

/// Counts by number; few different numbers, usually the same one many times in a row.
private struct Tally {
    private var entries: [(number: UInt32, count: UInt64)] = []
    private var latest = 0

    var numbers: [UInt32] { entries.map(\.number) }
    var hasRepeats: Bool { entries.contains { $0.count > 1 } }

    subscript(number: UInt32) -> UInt64 { entries.first { $0.number == number }?.count ?? 0 }

    mutating func add(_ number: UInt32, _ count: UInt64 = 1) {
        if latest < entries.count, entries[latest].number == number {
            entries[latest].count &+= count
            return
        }
        if let position = entries.firstIndex(where: { $0.number == number }) {
            latest = position
            entries[position].count &+= count
        } else if entries.count < Self.numbersMax {
            latest = entries.count
            entries.append((number, count))
        }
    }

    /// Takes a counter of the meta table; false where it does not have the form of one.
    mutating func take(_ key: borrowing Span<UInt8>, _ prefix: Int, _ value: borrowing Span<UInt8>) -> Bool {
        guard key.count == prefix + 4, value.count == 8 else { return false }
        add(UInt32(bigEndian: key, at: prefix), UInt64(bigEndian: value, at: 0))
        return true
    }

    /// Takes the number of a name in a registry; false where it is not as it was written.
    mutating func take(name key: borrowing Span<UInt8>, number: borrowing Span<UInt8>, bytes: Int, below limit: Int)
        -> Bool
    {
        guard key.count <= Environment.keyBytesMax, number.count == bytes + MetaChecksum.byteCount,
            let value = Registry.number(number.copied, key: key.copied, bytes: bytes), value < limit
        else { return false }
        add(UInt32(value))
        return true
    }

    /// More different numbers than keyrings hold versions: damaged headers must not make the search long.
    private static let numbersMax = 4_096
}

extension MetaKey {
    /// The entries that there is one of, and their sizes.
    fileprivate static let sizes: [(key: [UInt8], bytes: Int)] = [
        (schema, 8), (vault, 16), (keyringMark, 16), (epoch, 16), (place, 16), (dataCursor, 16), (indexCursor, 40),
        (auditHead, 40),
    ]

    /// The name before the number of a counter's key.
    fileprivate static func prefix(of key: [UInt8]) -> [UInt8] { Array(key.dropLast(4)) }
}

extension Span<UInt8> {
    fileprivate func isEqual(_ bytes: [UInt8]) -> Bool {
        guard count == bytes.count else { return false }
        for index in bytes.indices where self[index] != bytes[index] { return false }
        return true
    }
}
