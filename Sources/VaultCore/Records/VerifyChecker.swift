internal import LMDB
internal import OpenSSLCrypto
internal import SecretMemory

/// The contexts and the report of one check; its methods are the slices of the walks.
struct VerifyChecker: ~Copyable {
    /// Most damaged places stepped over in one table: each costs about a hundred searches.
    static let stumblesMax = 10_000

    var cipher: RecordCipher
    private(set) var indexes: [BlindIndexContext]
    let tables: Tables
    /// Of the keyring whose keys these are.
    private var generation: UInt64
    var purposeSets = PurposeSets()
    /// Bit n set: format id n is on file.
    var formats: UInt64 = 0
    var report = VerifyReport()
    private var total: UInt64 = 0

    init(keyring: Keyring, tables: Tables) throws(StoreError) {
        let cipher = try crypto { () throws(CryptoError) in try RecordCipher(keyring) }
        self.init(
            cipher: cipher, indexes: try BlindIndexContext.all(of: keyring), tables: tables,
            generation: keyring.generation)
    }

    private init(
        cipher: consuming RecordCipher, indexes: [BlindIndexContext], tables: Tables, generation: UInt64
    ) {
        self.cipher = cipher
        self.indexes = indexes
        self.tables = tables
        self.generation = generation
    }

    /// Takes up the keys of another generation; false where there is nothing to take up.
    mutating func adopts(_ keyring: Keyring) -> Bool {
        guard keyring.generation != generation, let fresh = try? RecordCipher(keyring),
            let indexes = try? BlindIndexContext.all(of: keyring)
        else { return false }
        cipher = fresh
        self.indexes = indexes
        generation = keyring.generation
        return true
    }

    /// Estimates the work.
    mutating func begin(_ reader: inout Reader) {
        do throws(LMDBError) {
            let snapshot = try reader.snapshot()
            let entries =
                try snapshot.statistics(tables.tokens).entries + snapshot.statistics(tables.index).entries
                + snapshot.statistics(tables.subjects).entries + snapshot.statistics(tables.requests).entries
            total = UInt64(max(0, entries))
            formats = try Self.formats(in: snapshot, tables)
        } catch {
            // Whatever it is, the walks meet it and say so.
            total = 0
        }
    }

    func progress(_ table: VerifyTable) -> VerifyProgress {
        let done = report.records + report.indexEntries + report.subjects + report.requests
        return VerifyProgress(table: table, done: done, total: max(done, total), findings: report.findingCount)
    }

    mutating func note(_ kind: VerifyFinding.Kind, _ table: VerifyTable, token: UInt64 = 0) {
        report.add(VerifyFinding(kind: kind, table: table, token: token, position: seen(table)))
    }

    func seen(_ table: VerifyTable) -> UInt64 {
        switch table {
        case .tokens: report.records
        case .index: report.indexEntries
        case .subjects: report.subjects
        case .requests: report.requests
        case .meta: 0
        }
    }

    /// Looks at the next entries of a table, in one snapshot.
    mutating func slice(of table: VerifyTable, from start: VerifyKey, _ reader: inout Reader) -> VerifySlice {
        let walk: VerifyWalk
        do throws(LMDBError) {
            let snapshot = try reader.snapshot()
            walk =
                switch table {
                case .tokens: try integerSlice(tables.tokens, .tokens, from: start, in: snapshot)
                case .subjects: try integerSlice(tables.subjects, .subjects, from: start, in: snapshot)
                case .index: try bytesSlice(tables.index, .index, from: start, in: snapshot)
                case .requests, .meta: try bytesSlice(tables.requests, .requests, from: start, in: snapshot)
                }
        } catch {
            return .broken(start)
        }
        if walk.isDisordered { note(.disordered, table) }
        guard let next = walk.next else { return .end }
        return walk.isBroken ? .broken(next) : .more(next)
    }

    private mutating func integerSlice(
        _ table: IntegerTable, _ name: VerifyTable, from start: VerifyKey, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> VerifyWalk {
        var cursor = try snapshot.cursor(table)
        var walk = VerifyWalk(start: start)
        guard try cursor.seek(atOrAfter: start.leading) else { return walk.ended() }
        for _ in 0..<Verifier.sliceEntries {
            let key = cursor.key
            if key < walk.floor.leading {
                walk.isDisordered = true
            } else {
                do throws(LMDBError) {
                    let isSound =
                        name == .tokens
                        ? try check(record: cursor.value, token: key, in: snapshot)
                        : try check(subject: cursor.value, token: key, in: snapshot)
                    guard let next = VerifyKey(leading: key).nextInteger else { return walk.ended() }
                    walk.passed(next, isSound: isSound)
                } catch {
                    // Another table's page: this one goes on behind the entry, in a fresh snapshot.
                    note(.unreadable, name, token: key)
                    guard let next = VerifyKey(leading: key).nextInteger else { return walk.ended() }
                    return walk.stopped(at: next)
                }
            }
            do throws(LMDBError) {
                guard try cursor.next() else { return walk.ended() }
            } catch {
                return walk.broken()
            }
        }
        return walk.paused()
    }

    private mutating func bytesSlice(
        _ table: BytesTable, _ name: VerifyTable, from start: VerifyKey, in snapshot: borrowing Snapshot
    ) throws(LMDBError) -> VerifyWalk {
        var cursor = try snapshot.cursor(table)
        var walk = VerifyWalk(start: start)
        let first = start.bytes
        guard try cursor.seek(atOrAfter: first.span) else { return walk.ended() }
        for _ in 0..<Verifier.sliceEntries {
            if walk.isBelowFloor(cursor.key) {
                walk.isDisordered = true
            } else {
                do throws(LMDBError) {
                    let isSound =
                        name == .index
                        ? try check(indexKey: cursor.key, value: cursor.value, in: snapshot)
                        : check(requestKey: cursor.key, value: cursor.value)
                    walk.passed(VerifyKey(above: cursor.key), isSound: isSound)
                } catch {
                    note(.unreadable, name)
                    return walk.stopped(at: VerifyKey(above: cursor.key))
                }
            }
            do throws(LMDBError) {
                guard try cursor.next() else { return walk.ended() }
            } catch {
                return walk.broken()
            }
        }
        return walk.paused()
    }
}

/// Where one slice has got to.
///
/// Only a sound entry moves the floor, since only its key is known to be right: a key with a flipped high bit must not
/// make the walk pass over the sound keys between.
struct VerifyWalk {
    private(set) var floor: VerifyKey
    private(set) var next: VerifyKey?
    private(set) var isBroken = false
    var isDisordered = false
    private var hasMoved = false
    private var floorBytes: [UInt8]
    private var last: VerifyKey?

    init(start: VerifyKey) {
        floor = start
        floorBytes = start.bytes
    }

    func isBelowFloor(_ key: borrowing Span<UInt8>) -> Bool {
        for index in 0..<min(key.count, floorBytes.count) where key[index] != floorBytes[index] {
            return key[index] < floorBytes[index]
        }
        return key.count < floorBytes.count
    }

    mutating func passed(_ key: VerifyKey, isSound: Bool) {
        last = key
        guard isSound else { return }
        floor = key
        floorBytes = key.bytes
        hasMoved = true
    }

    consuming func ended() -> VerifyWalk {
        next = nil
        return self
    }

    consuming func stopped(at key: VerifyKey) -> VerifyWalk {
        next = key
        return self
    }

    /// The slice is full. Where nothing in it was sound, its last key has to do.
    consuming func paused() -> VerifyWalk {
        next = hasMoved ? floor : last
        if next == nil {
            // Nothing but keys below the floor: searches are led astray here.
            next = floor
            isBroken = true
        }
        return self
    }

    consuming func broken() -> VerifyWalk {
        next = hasMoved ? floor : last ?? floor
        isBroken = true
        return self
    }
}
