internal import LMDB
internal import OpenSSLCrypto

/// What became of one token of a reveal.
package enum RevealStatus: UInt8, BitwiseCopyable, Sendable {
    case revealed
    /// Missing, foreign, deleted or expired: one answer, same cost.
    case missing
    case purposeDenied
    /// Its record does not open: one damaged record, the rest is served.
    case damaged
    /// A honey token: the caller is answered as if it were missing, and everybody else is told.
    case honey
    /// There is a card, and it is kept back.
    case frozen
}

/// One answer of a reveal: trivial, so that a batch of them lies in one wiped buffer.
package struct Reveal: BitwiseCopyable, Sendable {
    package var status: RevealStatus
    /// Digits of the PAN; 0 unless revealed.
    package var panLength: UInt8
    /// `CardExpiry.packed`; 0 = none.
    package var expiry: UInt16
    /// Version of the data key that the record was under; 0 unless revealed.
    package var keyVersion: UInt32
    package var pan: UInt64

    /// An answer without a card.
    package init(_ status: RevealStatus) {
        self.status = status
        panLength = 0
        expiry = 0
        keyVersion = 0
        pan = 0
    }

    init(_ card: Card, keyVersion: UInt32) {
        status = .revealed
        panLength = card.pan.length
        expiry = card.expiry?.packed ?? 0
        self.keyVersion = keyVersion
        pan = card.pan.value
    }
}

/// What may be shown of a token.
package struct Inspection: Sendable {
    package var card: Card
    package var format: UInt16
    /// Unix seconds.
    package var created: UInt32
    /// Unix seconds; 0 = none.
    package var deadline: UInt32
    /// Mask of purposes; all ones for any.
    package var purposes: UInt64
}

/// Reads a vault on one thread: an LMDB reader slot, GCM and HMAC contexts of one keyring generation. Never shared.
package struct VaultReader: ~Copyable {
    private var reader: Reader
    private var opener: RecordOpener
    private let indexes: [BlindIndexContext]

    package init(store: Store, keyring: Keyring, formats: FormatTable) throws(StoreError) {
        let cipher = try crypto { () throws(CryptoError) in try RecordCipher(keyring) }
        let indexes = try BlindIndexContext.all(of: keyring)
        let reader = try lmdb { () throws(LMDBError) in try Reader(store.environment) }
        self.init(
            reader: reader, opener: RecordOpener(cipher: cipher, formats: formats, tables: store.tables),
            indexes: indexes)
    }

    private init(reader: consuming Reader, opener: consuming RecordOpener, indexes: [BlindIndexContext]) {
        self.reader = reader
        self.opener = opener
        self.indexes = indexes
    }

    /// Reveals tokens in order; `results` has the size of `tokens`. A token of 0 is one that did not parse: a miss.
    ///
    /// One snapshot for the whole call, so keep calls bounded (a thousand or so): an old snapshot pins freed pages. A page
    /// that LMDB finds damaged costs the tokens that need it, and a fresh snapshot for the rest.
    ///
    /// Returns how many of them are honey tokens.
    @discardableResult
    package mutating func reveal(
        _ tokens: borrowing Span<UInt64>, access: Access, now: UInt32, into results: inout MutableSpan<Reveal>
    ) throws(StoreError) -> Int {
        opener.honeyMet = 0
        do throws(LMDBError) {
            try Self.reveal(&reader, &opener, tokens, access: access, now: now, into: &results)
        } catch {
            throw .lmdb(error)
        }
        return opener.honeyMet
    }

    private static func reveal(
        _ reader: inout Reader, _ opener: inout RecordOpener, _ tokens: borrowing Span<UInt64>, access: Access,
        now: UInt32, into results: inout MutableSpan<Reveal>
    ) throws(LMDBError) {
        var snapshot = try reader.snapshot()
        for index in 0..<tokens.count {
            do throws(LMDBError) {
                results[index] = try opener.reveal(tokens[index], in: snapshot, access: access, now: now)
            } catch {
                results[index] = Reveal(.damaged)
                try snapshot.refresh()
            }
        }
    }

    /// What may be shown of one token; `nil` for a miss.
    package mutating func inspect(_ token: UInt64, access: Access, now: UInt32) throws(StoreError) -> Inspection? {
        let result: Lookup<Inspection>
        do throws(LMDBError) {
            result = try Self.inspect(&reader, &opener, token, access: access, now: now)
        } catch {
            throw .lmdb(error)
        }
        return try result.found()
    }

    private static func inspect(
        _ reader: inout Reader, _ opener: inout RecordOpener, _ token: UInt64, access: Access, now: UInt32
    ) throws(LMDBError) -> Lookup<Inspection> {
        let snapshot = try reader.snapshot()
        return try opener.inspect(token, in: snapshot, access: access, now: now)
    }

    /// The live token of a card in a format for a subject; `nil` where there is none. Under `reuse: never`, one of them.
    ///
    /// Looks under every live index key version in one snapshot: an entry that is moved meanwhile is in the one place or
    /// in the other.
    package mutating func find(
        _ pan: PAN, format: UInt16, subject: borrowing Span<UInt8>, now: UInt32
    ) throws(StoreError) -> UInt64? {
        var keys: [[32 of UInt8]] = []
        for index in indexes {
            do throws(CryptoError) {
                keys.append(try index.value.key(pan: pan, format: format, subject: subject))
            } catch {
                throw .crypto
            }
        }
        let result: Lookup<UInt64>
        do throws(LMDBError) {
            result = try Self.find(&reader, &opener, pan, keys: keys, format: format, now: now)
        } catch {
            throw .lmdb(error)
        }
        return try result.found()
    }

    private static func find(
        _ reader: inout Reader, _ opener: inout RecordOpener, _ pan: PAN, keys: [[32 of UInt8]], format: UInt16,
        now: UInt32
    ) throws(LMDBError) -> Lookup<UInt64> {
        let snapshot = try reader.snapshot()
        var result = Lookup<UInt64>.missing
        for key in keys {
            result = try opener.find(pan, key: key.span, format: format, in: snapshot, now: now)
            if case .missing = result { continue }
            return result
        }
        return result
    }

    /// The keyed hash of a card under the active index key.
    package mutating func fingerprint(of pan: PAN) throws(StoreError) -> [32 of UInt8] {
        try crypto { () throws(CryptoError) in try indexes[0].value.fingerprint(of: pan) }
    }

    /// A card as limits know it.
    package mutating func mark(of pan: PAN) throws(StoreError) -> CardMark {
        try crypto { () throws(CryptoError) in try indexes[0].value.mark(of: pan) }
    }

    /// The version of the index key that fingerprints are made under.
    package var fingerprintVersion: UInt32 { indexes[0].value.version }

    /// Keys for a client's request id (`BlindIndex.requestKey`): under the active index key version, and under the one that
    /// was active before it, where that is retiring still. Where several are, the older ones' requests are forgotten.
    package mutating func requestKeys(
        client: borrowing Span<UInt8>, requestID: borrowing Span<UInt8>
    ) throws(StoreError) -> (active: [32 of UInt8], older: [32 of UInt8]?) {
        do throws(CryptoError) {
            let active = try indexes[0].value.requestKey(client: client, requestID: requestID)
            guard indexes.count > 1 else { return (active, nil) }
            return (active, try indexes[indexes.count - 1].value.requestKey(client: client, requestID: requestID))
        } catch {
            throw .crypto
        }
    }
}

/// One blind index in a box, so that a reader can hold one for each live version; owned by one thread.
final class BlindIndexContext {
    var value: BlindIndex
    init(_ value: consuming BlindIndex) { self.value = value }

    /// One for each usable version, the active one first.
    static func all(of keyring: Keyring) throws(StoreError) -> [BlindIndexContext] {
        var contexts: [BlindIndexContext] = []
        for version in keyring.usable(.index) {
            contexts.append(BlindIndexContext(try crypto { () throws(CryptoError) in try BlindIndex(version) }))
        }
        return contexts
    }
}
