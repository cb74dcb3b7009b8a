internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

extension VaultWriter {
    /// Gives a card its token: the one it has, or a new one.
    mutating func tokenize(
        _ item: inout WriteItem, subject: [UInt8], now: UInt32, _ transaction: inout WriteTransaction,
        _ changes: inout Changes
    ) throws(StoreError) {
        guard let pan = PAN(value: item.pan, length: item.panLength), let format = formats[item.format] else {
            throw .damaged("a request of the writer")
        }
        if format.reuse == .always {
            let existing = try existingToken(pan: pan, format: item.format, subject: subject, &transaction)
            if let existing {
                switch try update(existing, with: &item, pan: pan, format: format, now: now, &transaction, &changes) {
                case .updated, .refused: return
                case .expired:
                    try remove(existing, subject: subject, &transaction, &changes)
                }
            }
        } else if item.hasRequestKey {
            if try answerFromMemory(&item, pan: pan, now: now, &transaction) { return }
        }
        try insert(&item, pan: pan, format: format, subject: subject, now: now, &transaction, &changes)
    }

    private enum UpdateResult { case updated, expired, refused }

    /// The token that this card already has in this format for this subject, under any live index key.
    private mutating func existingToken(
        pan: PAN, format: UInt16, subject: [UInt8], _ transaction: inout WriteTransaction
    ) throws(StoreError) -> UInt64? {
        for index in indexes {
            let key = try crypto { () throws(CryptoError) in
                try index.value.key(pan: pan, format: format, subject: subject.span)
            }
            let token = try lmdb { () throws(LMDBError) in
                try BlindIndex.firstToken(under: key.span, in: &transaction, store.tables)
            }
            if let token { return token }
        }
        return nil
    }

    /// Answers with the token on record, and takes over a new expiry, ttl or purposes.
    private mutating func update(
        _ token: UInt64, with item: inout WriteItem, pan: PAN, format: TokenFormat, now: UInt32,
        _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) -> UpdateResult {
        guard let (header, card) = try openRecord(token, &transaction), card.pan == pan, header.format == item.format
        else {
            item.outcome = .damaged
            return .refused
        }
        if header.isExpired(now: now) && !header.flags.contains(.hold) { return .expired }
        var newCard = card
        var newHeader = header
        if item.setsExpiry { newCard.expiry = CardExpiry(packed: item.expiry) }
        if item.setsTTL { newHeader.deadline = Self.deadline(ttl: item.ttl, format: format, now: now) }
        if item.setsPurposes { newHeader.purposeSet = try purposeSet(item.purposes, &transaction) }
        if newHeader != header || newCard.expiry != card.expiry {
            if header.keyVersion != cipher.activeVersion {
                // A token's subject is under the same version as its record: one count serves both.
                guard try moveSubject(of: token, header, &transaction, &changes) else {
                    item.outcome = .damaged
                    return .refused
                }
                changes.dataRecords[header.keyVersion, default: 0] -= 1
                changes.dataRecords[cipher.activeVersion, default: 0] += 1
            }
            try putRecord(newCard, header: newHeader, token: token, &transaction, &changes)
        } else {
            try touch(token, &transaction)
        }
        item.token = token
        item.deadline = newHeader.deadline
        item.resultExpiry = newCard.expiry?.packed ?? 0
        item.outcome = .done
        return .updated
    }

    /// Writes a record back as it is. A group that changes nothing would not be flushed, and so answer sooner: time would
    /// tell whether a card was known.
    private func touch(_ token: UInt64, _ transaction: inout WriteTransaction) throws(StoreError) {
        var record = [64 of UInt8](repeating: 0)
        let isThere = try lmdb { () throws(LMDBError) in
            guard let stored = try transaction.get(store.tables.tokens, token), stored.count == 64 else { return false }
            for index in 0..<64 { record[index] = stored[index] }
            return true
        }
        guard isThere else { throw .damaged("a record") }
        do throws(LMDBError) {
            try transaction.put(store.tables.tokens, token, record.span)
        } catch {
            throw .lmdb(error)
        }
    }

    /// Under `reuse: never`: a repeated request id gets the token it got before.
    private mutating func answerFromMemory(
        _ item: inout WriteItem, pan: PAN, now: UInt32, _ transaction: inout WriteTransaction
    ) throws(StoreError) -> Bool {
        var remembered = try request(Self.requestBytes(item.requestKey), &transaction)
        if remembered == nil, item.hasOlderRequestKey {
            remembered = try request(Self.requestBytes(item.olderRequestKey), &transaction)
        }
        guard let (token, time) = remembered, now < time &+ Self.requestMemory else { return false }
        // Forgotten or expired meanwhile: the retry is a new request.
        guard let (header, card) = try openRecord(token, &transaction), !header.isExpired(now: now) else {
            return false
        }
        guard card.pan == pan, header.format == item.format else {
            item.outcome = .conflict
            return true
        }
        item.token = token
        item.deadline = header.deadline
        item.resultExpiry = card.expiry?.packed ?? 0
        item.outcome = .done
        return true
    }

    /// A remembered request: its token and when it was made.
    private func request(
        _ key: [UInt8], _ transaction: inout WriteTransaction
    ) throws(StoreError) -> (token: UInt64, time: UInt32)? {
        try lmdb { () throws(LMDBError) in
            guard let value = try transaction.get(store.tables.requests, key.span), value.count == 12 else {
                return nil
            }
            return (UInt64(bigEndian: value, at: 0), UInt32(bigEndian: value, at: 8))
        }
    }

    /// Stores a card under a new token.
    mutating func insert(
        _ item: inout WriteItem, pan: PAN, format: TokenFormat, subject: [UInt8], now: UInt32,
        _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) {
        let tables = store.tables
        // Tokens never begin with 0, so a card that does can equal none.
        if Digits.count(of: pan.value) == Int(pan.length), try exists(pan.value, &transaction) {
            item.outcome = .invalidPAN
            return
        }
        guard let token = try drawToken(for: pan, format: format, &transaction) else {
            item.outcome = .bucketFull
            return
        }
        var header = RecordHeader(
            format: item.format, keyVersion: cipher.activeVersion, created: now,
            deadline: Self.deadline(ttl: item.setsTTL ? item.ttl : 0, format: format, now: now), purposeSet: 0)
        if item.setsPurposes { header.purposeSet = try purposeSet(item.purposes, &transaction) }
        if !subject.isEmpty { header.flags.insert(.subjectLinked) }
        if item.kind == .honey { header.flags.insert(.honey) }
        let card = Card(pan: pan, expiry: item.setsExpiry ? CardExpiry(packed: item.expiry) : nil)
        try putRecord(card, header: header, token: token, &transaction, &changes)
        changes.dataRecords[cipher.activeVersion, default: 0] += 1
        changes.formatTokens[item.format, default: 0] += 1
        if item.kind == .honey { changes.honeyTokens += 1 }

        let indexKey = try entryKey(indexes[0], pan, item.format, subject, token)
        let indexVersion = indexes[0].value.version
        var versionBytes: [UInt8] = []
        versionBytes.append(bigEndian: indexVersion)
        try lmdb { () throws(LMDBError) in try transaction.put(tables.index, indexKey.span, versionBytes.span) }
        changes.indexEntries[indexVersion, default: 0] += 1
        if !subject.isEmpty { try putSubject(subject, token: token, &transaction, &changes) }
        if item.hasRequestKey && format.reuse == .never {
            try remember(item, token: token, now: now, &transaction)
        }
        item.token = token
        item.deadline = header.deadline
        item.resultExpiry = card.expiry?.packed ?? 0
        item.outcome = .done
    }

    mutating func putRecord(
        _ card: Card, header: RecordHeader, token: UInt64, _ transaction: inout WriteTransaction,
        _ changes: inout Changes
    ) throws(StoreError) {
        var record = [64 of UInt8](repeating: 0)
        var span = record.mutableSpan
        changes.encryptions += 1
        do throws(RecordError) {
            try cipher.seal(card, header: header, token: token, into: &span)
        } catch {
            throw .crypto
        }
        do throws(LMDBError) {
            try transaction.put(store.tables.tokens, token, span.span)
        } catch {
            throw .lmdb(error)
        }
    }

    mutating func putSubject(
        _ subject: [UInt8], token: UInt64, _ transaction: inout WriteTransaction, _ changes: inout Changes
    ) throws(StoreError) {
        changes.encryptions += 1
        let sealed = try seal(subject, token: token)
        try lmdb { () throws(LMDBError) in try transaction.put(store.tables.subjects, token, sealed.span) }
    }

    private mutating func seal(_ subject: [UInt8], token: UInt64) throws(StoreError) -> [UInt8] {
        do throws(RecordError) {
            return try cipher.sealText(subject.span, token: token)
        } catch {
            throw .crypto
        }
    }

    private func remember(
        _ item: WriteItem, token: UInt64, now: UInt32, _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        var value: [UInt8] = []
        value.append(bigEndian: token)
        value.append(bigEndian: now)
        try lmdb { () throws(LMDBError) in
            try transaction.put(store.tables.requests, Self.requestBytes(item.requestKey).span, value.span)
        }
    }

    /// The id of a set of purposes, made when first used; the set 0 stands for "any".
    private mutating func purposeSet(_ mask: UInt64, _ transaction: inout WriteTransaction) throws(StoreError) -> UInt16
    {
        if mask == .max { return 0 }
        if let id = purposeSets[mask] { return id }
        let tables = store.tables
        var next: UInt16 = 1
        // Few exist: they are found by walking them once per daemon and set.
        while let value = try transaction.meta(tables, MetaKey.purposeSet(next)) {
            guard let known = PurposeSets.mask(value.span, key: MetaKey.purposeSet(next)), next < UInt16.max else {
                throw .damaged("purpose sets")
            }
            purposeSets[known] = next
            if known == mask { return next }
            next += 1
        }
        var value: [UInt8] = []
        value.append(bigEndian: mask)
        let key = MetaKey.purposeSet(next)
        try transaction.putMeta(tables, key, try MetaChecksum.appended(to: value, key: key))
        purposeSets[mask] = next
        return next
    }

    /// The earlier of what the request and the format allow; 0 for none.
    static func deadline(ttl: UInt32, format: TokenFormat, now: UInt32) -> UInt32 {
        var shortest = ttl == 0 ? UInt32.max : ttl
        if let limit = format.ttlSeconds { shortest = min(shortest, limit) }
        if shortest == .max { return 0 }
        let (sum, overflow) = now.addingReportingOverflow(shortest)
        return overflow ? .max : sum
    }

    private static func requestBytes(_ halves: (UInt64, UInt64)) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: halves.0)
        key.append(bigEndian: halves.1)
        return key
    }
}
