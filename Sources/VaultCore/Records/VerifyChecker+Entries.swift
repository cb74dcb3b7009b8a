internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

// The questions asked of one entry. Each answers whether the entry's key can be trusted, and throws where a page of the
// table it looks into cannot be read.
extension VerifyChecker {
    /// A record: opens, has its subject, is found by its card.
    mutating func check(
        record: borrowing Span<UInt8>, token: UInt64, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> Bool {
        report.records += 1
        guard Token(value: token) != nil else {
            note(.keyInvalid, .tokens, token: token)
            return false
        }
        guard let header = RecordHeader(record) else {
            note(.layoutInvalid, .tokens, token: token)
            return false
        }
        let card: Card
        do throws(RecordError) {
            card = try cipher.open(record, header: header, token: token)
        } catch {
            if case .keyMissing = error {
                note(.keyVersionUnknown, .tokens, token: token)
            } else {
                note(.recordDamaged, .tokens, token: token)
            }
            return false
        }
        if try !isOnFile(header.format, in: snapshot) { note(.formatUnknown, .tokens, token: token) }
        if try purposeSets.mask(of: header, in: snapshot, tables) == nil {
            note(.purposeSetUnknown, .tokens, token: token)
        }
        if try snapshot.get(tables.tokens, card.pan.value) != nil { note(.cardIsToken, .tokens, token: token) }
        guard let subject = try subject(of: token, header, in: snapshot) else { return true }
        if try !isIndexed(card.pan, header.format, subject, token: token, in: snapshot) {
            note(.indexMissing, .tokens, token: token)
        }
        return true
    }

    /// An index entry: its token exists, and is of this card, format and subject.
    mutating func check(
        indexKey key: borrowing Span<UInt8>, value: borrowing Span<UInt8>, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> Bool {
        report.indexEntries += 1
        guard key.count == BlindIndex.keyBytes else {
            note(.keyInvalid, .index)
            return false
        }
        let token = UInt64(bigEndian: key, at: BlindIndex.selectorEnd)
        guard value.count == 4 else {
            note(.layoutInvalid, .index, token: token)
            return false
        }
        guard let record = try snapshot.get(tables.tokens, token) else {
            note(.recordMissing, .index, token: token)
            return false
        }
        // A record that does not open was reported with the records, or changed since and will open.
        guard let header = RecordHeader(record), let card = open(record, header, token: token) else { return false }
        guard let subject = try subjectText(of: token, header, in: snapshot) else { return false }
        let version = UInt32(bigEndian: value, at: 0)
        guard let madeUnder = self.version(of: key, card.pan, header.format, subject) else {
            note(.indexMismatch, .index, token: token)
            return false
        }
        if madeUnder != version { note(.indexVersion, .index, token: token) }
        return true
    }

    /// A subject: belongs to a token that says so. That it opens was asked with the token.
    mutating func check(
        subject: borrowing Span<UInt8>, token: UInt64, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> Bool {
        report.subjects += 1
        guard let record = try snapshot.get(tables.tokens, token) else {
            note(.subjectUnclaimed, .subjects, token: token)
            return false
        }
        guard let header = RecordHeader(record), open(record, header, token: token) != nil else { return false }
        if !header.flags.contains(.subjectLinked) {
            note(.subjectUnclaimed, .subjects, token: token)
        } else if subject.count < 4 || UInt32(bigEndian: subject, at: 0) != header.keyVersion {
            // One count serves both: a version that no record needs must not be one that a subject needs.
            note(.subjectVersion, .subjects, token: token)
        }
        return true
    }

    /// A remembered request: only its form can be asked for.
    mutating func check(requestKey key: borrowing Span<UInt8>, value: borrowing Span<UInt8>) -> Bool {
        report.requests += 1
        guard key.count == 16 else {
            note(.keyInvalid, .requests)
            return false
        }
        if value.count != 12 || Token(value: UInt64(bigEndian: value, at: 0)) == nil { note(.layoutInvalid, .requests) }
        return true
    }

    // MARK: - Look-ups

    /// A record's subject, empty for none; `nil` and a finding where it should be there and is not, or does not open.
    private mutating func subject(
        of token: UInt64, _ header: RecordHeader, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> [UInt8]? {
        if let text = try subjectText(of: token, header, in: snapshot) { return text }
        let isThere = try snapshot.get(tables.subjects, token) != nil
        note(isThere ? .subjectDamaged : .subjectMissing, .subjects, token: token)
        return nil
    }

    private mutating func subjectText(
        of token: UInt64, _ header: RecordHeader, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> [UInt8]? {
        guard header.flags.contains(.subjectLinked) else { return [] }
        guard let sealed = try snapshot.get(tables.subjects, token) else { return nil }
        do throws(RecordError) {
            return try cipher.openText(sealed, token: token)
        } catch {
            return nil
        }
    }

    private mutating func open(_ record: borrowing Span<UInt8>, _ header: RecordHeader, token: UInt64) -> Card? {
        do throws(RecordError) {
            return try cipher.open(record, header: header, token: token)
        } catch {
            return nil
        }
    }

    /// Whether a search by card, under any live index key, leads to the token.
    private mutating func isIndexed(
        _ pan: PAN, _ format: UInt16, _ subject: [UInt8], token: UInt64, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> Bool {
        for index in indexes {
            let key = key(index, pan, format, subject, token: token)
            if let key, try isPresent(key.span, in: snapshot) { return true }
        }
        return false
    }

    private func isPresent(_ key: Span<UInt8>, in snapshot: borrowing Snapshot) throws(LMDBError) -> Bool {
        try snapshot.get(tables.index, key) != nil
    }

    /// The live index key version under which `key` is the hash of a card; `nil` for none.
    private mutating func version(
        of key: borrowing Span<UInt8>, _ pan: PAN, _ format: UInt16, _ subject: [UInt8]
    ) -> UInt32? {
        let token = UInt64(bigEndian: key, at: BlindIndex.selectorEnd)
        for index in indexes {
            guard let expected = self.key(index, pan, format, subject, token: token) else { continue }
            if constantTimeEqual(expected.span, key) { return index.value.version }
        }
        return nil
    }

    private func key(
        _ index: BlindIndexContext, _ pan: PAN, _ format: UInt16, _ subject: [UInt8], token: UInt64
    ) -> [32 of UInt8]? {
        do throws(CryptoError) {
            var key = try index.value.key(pan: pan, format: format, subject: subject.span)
            var span = key.mutableSpan
            span.store(bigEndian: token, at: BlindIndex.selectorEnd)
            return key
        } catch {
            return nil
        }
    }

    private mutating func isOnFile(_ format: UInt16, in snapshot: borrowing Snapshot) throws(LMDBError) -> Bool {
        guard format < Registry.formatsMax else { return false }
        let bit = UInt64(1) << UInt64(format)
        if formats & bit != 0 { return true }
        // It may have been taken up since the check began.
        formats = try Self.formats(in: snapshot, tables)
        return formats & bit != 0
    }

    /// A bit for each format id on file.
    static func formats(in snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) -> UInt64 {
        var formats: UInt64 = 0
        let prefix = MetaKey.formatPrefix
        var cursor = try snapshot.cursor(tables.meta)
        var isInside = try cursor.seek(atOrAfter: prefix.span)
        while isInside, cursor.key.hasPrefix(prefix) {
            let value = cursor.value.extracting(first: MetaKey.valueBytesMax + 1).copied
            if let id = Registry.number(value, key: cursor.key.copied, bytes: 2), id < Registry.formatsMax {
                formats |= 1 << UInt64(id)
            }
            isInside = try cursor.next()
        }
        return formats
    }
}

extension Span<UInt8> {
    /// Whether the bytes begin with others, and go on after them.
    func hasPrefix(_ prefix: [UInt8]) -> Bool {
        guard count > prefix.count else { return false }
        for index in prefix.indices where self[index] != prefix[index] { return false }
        return true
    }
}
