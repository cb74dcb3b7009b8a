internal import LMDB

/// What a start finds when it compares the database with the keyring, with the last start, and with where it lay then.
package enum Admission: Equatable, Sendable {
    /// This database, in this place, is the one that was stopped last.
    case continued
    /// It was restored, copied or moved: how often its data key was used since then is not known, so a new version has to
    /// begin before anything is encrypted. The text says what tells so.
    case displaced(String)
}

// One machine can tell a copy from the original by three things kept in two places: the generation of the keyring, a
// random epoch drawn at each start, and the place of the files. Each is written in the order intent, file, settled, so
// that a crash between two of the writes is never taken for a restored copy.
//
// What it cannot tell: a snapshot of the whole machine that is put back whole. docs/KEYS.md says what to do then.
extension Store {
    /// Compares. Writes nothing. Throws `.olderKeyring` where the keyring went back in time, and `.keyDestroyed` where the
    /// database went back behind a destruction.
    ///
    /// - Parameters:
    ///   - epoch: what the epoch file says; `nil` where it is missing or unreadable.
    ///   - place: where the database lies now (`DatabasePlace`).
    package func admission(_ keyring: Keyring, epoch: UInt64?, place: [UInt8]) throws(StoreError) -> Admission {
        var transaction = try environment.begin()
        let mark = try transaction.pair(tables, MetaKey.keyringMark)
        let known = try transaction.pair(tables, MetaKey.epoch)
        let home = try transaction.meta(tables, MetaKey.place)
        if let mark {
            guard keyring.generation >= mark.settled else {
                throw .olderKeyring(database: mark.settled, keyring: keyring.generation)
            }
            // A backup of the database beside the newest keyring: what it holds under keys that were destroyed since then is
            // gone, and serving it as damaged would hide why.
            for version in keyring.versions where version.state == .destroyed {
                let counter =
                    version.purpose == .index
                    ? MetaKey.indexEntries(version.number) : MetaKey.dataRecords(version.number)
                let count = try transaction.counter(tables, counter)
                if count > 0 { throw .keyDestroyed(version.purpose, version.number, count) }
            }
            guard keyring.generation == mark.settled || keyring.generation == mark.intended else {
                return .displaced("the keyring is newer than the database")
            }
        }
        guard let known else {
            return epoch == nil ? .continued : .displaced("the database is from before its last start")
        }
        // The very first start may have ended before the file was written.
        if epoch == nil && known.settled == 0 { return .continued }
        guard let epoch else { return .displaced("the epoch file is missing") }
        guard epoch == known.settled || epoch == known.intended else {
            return .displaced("database and epoch file are of different starts")
        }
        if let home, home != place { return .displaced("the database lies in another place") }
        return .continued
    }

    /// Says which keyring generation is about to be written in place of `current`, the one that was read.
    package func intendKeyring(_ generation: UInt64, after current: UInt64) throws(StoreError) {
        try updatePair(MetaKey.keyringMark, first: current) { $0.intend(generation, after: current) }
    }

    /// Says that a keyring generation is in place.
    package func settleKeyring(_ generation: UInt64) throws(StoreError) {
        try updatePair(MetaKey.keyringMark, first: generation) {
            $0 = MarkPair(settled: generation, intended: generation)
        }
    }

    /// Says which epoch is about to be written in place of `current`, what the file says.
    package func intendEpoch(_ epoch: UInt64, after current: UInt64?) throws(StoreError) {
        try updatePair(MetaKey.epoch, first: 0) { $0.intend(epoch, after: current ?? 0) }
    }

    /// Says that the start is complete: the epoch is in its file, and the files lie here.
    package func settleStart(generation: UInt64, epoch: UInt64, place: [UInt8]) throws(StoreError) {
        var transaction = try environment.begin()
        try transaction.putPair(
            tables, MetaKey.keyringMark, MarkPair(settled: generation, intended: generation))
        try transaction.putPair(tables, MetaKey.epoch, MarkPair(settled: epoch, intended: epoch))
        try transaction.putMeta(tables, MetaKey.place, place)
        try transaction.end()
    }

    private func updatePair(
        _ key: [UInt8], first: UInt64, _ change: (inout MarkPair) -> Void
    ) throws(StoreError) {
        var transaction = try environment.begin()
        var pair = try transaction.pair(tables, key) ?? MarkPair(settled: first, intended: first)
        change(&pair)
        try transaction.putPair(tables, key, pair)
        try transaction.end()
    }
}

/// A number that is in a file too: the one that is surely there, and the one that may be.
private struct MarkPair {
    var settled: UInt64
    var intended: UInt64

    /// Where a crash left the intended number in the file, it is settled now: a second crash must not make it unknown. A
    /// number that is neither of the two shows a restored copy, and goes on showing it.
    mutating func intend(_ number: UInt64, after current: UInt64) {
        if current == intended { settled = current }
        intended = number
    }
}

extension WriteTransaction {
    fileprivate mutating func pair(_ tables: Tables, _ key: [UInt8]) throws(StoreError) -> MarkPair? {
        guard let value = try meta(tables, key) else { return nil }
        guard value.count == 16 else { throw .damaged("a mark") }
        return MarkPair(settled: UInt64(bigEndian: value.span, at: 0), intended: UInt64(bigEndian: value.span, at: 8))
    }

    fileprivate mutating func putPair(_ tables: Tables, _ key: [UInt8], _ pair: MarkPair) throws(StoreError) {
        var value: [UInt8] = []
        value.append(bigEndian: pair.settled)
        value.append(bigEndian: pair.intended)
        try putMeta(tables, key, value)
    }
}
