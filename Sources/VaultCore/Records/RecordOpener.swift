internal import LMDB

/// What a look-up of one record came to.
enum Lookup<Value> {
    case value(Value)
    case missing
    case damaged

    func found() throws(StoreError) -> Value? {
        switch self {
        case .value(let value): value
        case .missing: nil
        case .damaged: throw .damaged("a record")
        }
    }
}

/// Turns stored records into answers: opens, then judges format, deadline and purpose. Owned by one reader.
///
/// Judging comes after opening, since only then is the header known to be ours; and so every token costs the same,
/// whatever the answer.
struct RecordOpener: ~Copyable {
    private var cipher: RecordCipher
    private let formats: FormatTable
    private let tables: Tables
    private var purposeSets = PurposeSets()
    /// Honey tokens among those that were revealed since this was last set to 0.
    var honeyMet = 0

    init(cipher: consuming RecordCipher, formats: FormatTable, tables: Tables) {
        self.cipher = cipher
        self.formats = formats
        self.tables = tables
    }

    @inline(__always)
    mutating func reveal(
        _ token: UInt64, in snapshot: borrowing Snapshot, access: Access, now: UInt32
    ) throws(LMDBError) -> Reveal {
        guard let record = try snapshot.get(tables.tokens, token) else {
            cipher.openNothing()
            return Reveal(.missing)
        }
        guard let (header, card) = open(record, token: token),
            let purposes = try purposeSets.mask(of: header, in: snapshot, tables)
        else { return Reveal(.damaged) }
        // Whatever its format, age or purpose: nobody was given this token.
        if header.flags.contains(.honey) {
            honeyMet += 1
            return Reveal(.honey)
        }
        guard isVisible(header, access: access, now: now) else { return Reveal(.missing) }
        guard purposes & formats.purposes(header.format) & access.purpose != 0 else {
            return Reveal(.purposeDenied)
        }
        if access.isFrozen(header.format) { return Reveal(.frozen) }
        return Reveal(card, keyVersion: header.keyVersion)
    }

    mutating func inspect(
        _ token: UInt64, in snapshot: borrowing Snapshot, access: Access, now: UInt32
    ) throws(LMDBError) -> Lookup<Inspection> {
        guard let record = try snapshot.get(tables.tokens, token) else {
            cipher.openNothing()
            return .missing
        }
        guard let (header, card) = open(record, token: token),
            let purposes = try purposeSets.mask(of: header, in: snapshot, tables)
        else { return .damaged }
        guard isVisible(header, access: access, now: now) else { return .missing }
        return .value(
            Inspection(
                card: card, format: header.format, created: header.created, deadline: header.deadline,
                purposes: purposes & formats.purposes(header.format)))
    }

    mutating func find(
        _ pan: PAN, key: borrowing Span<UInt8>, format: UInt16, in snapshot: borrowing Snapshot, now: UInt32
    ) throws(LMDBError) -> Lookup<UInt64> {
        guard let token = try BlindIndex.firstToken(under: key, in: snapshot, tables) else {
            cipher.openNothing()
            return .missing
        }
        guard let record = try snapshot.get(tables.tokens, token), let (header, card) = open(record, token: token),
            card.pan == pan, header.format == format
        else { return .damaged }
        if header.isExpired(now: now) || header.flags.contains(.hold) { return .missing }
        return .value(token)
    }

    @inline(__always)
    private func isVisible(_ header: RecordHeader, access: Access, now: UInt32) -> Bool {
        access.sees(header.format) && !header.isExpired(now: now) && !header.flags.contains(.hold)
    }

    @inline(__always)
    private mutating func open(_ record: borrowing Span<UInt8>, token: UInt64) -> (RecordHeader, Card)? {
        guard let header = RecordHeader(record) else { return nil }
        do throws(RecordError) {
            return (header, try cipher.open(record, header: header, token: token))
        } catch {
            return nil
        }
    }
}
