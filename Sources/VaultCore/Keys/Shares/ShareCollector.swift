package import SecretMemory

/// Takes the shares of one set, one at a time, until there are enough to give the secret.
///
/// It keeps the bytes of accepted shares in one ``SecretBytes`` and wipes them when it is combined, reset or destroyed.
/// A share that was refused is wiped too, as `add` takes every share for good. A share's own checksum is no proof of
/// who wrote it: whoever gets the secret checks it against something kept. One thread at a time; the value may move
/// between threads.
package struct ShareCollector: ~Copyable, Sendable {
    /// How far the collection is.
    package enum Progress: Equatable, Sendable {
        /// `have` shares were accepted, `need` are needed in all.
        case needsMore(have: Int, need: Int)
        /// There are enough.
        case complete
    }

    /// The set whose shares are taken.
    package let setID: UInt32
    /// How many shares are needed, 2 to 255.
    package let threshold: Int
    /// How many shares the set has; their indices are 1 to `count`.
    package let count: Int
    /// The indices of the shares entered so far, in the order of entry; at most `threshold`.
    package private(set) var indices: [UInt8] = []
    /// Room for `threshold` shares; zero where none was entered yet.
    private var bytes: SecretBytes

    /// Starts a collection. Throws the error that a split with these numbers throws.
    package init(setID: UInt32, threshold: Int, count: Int) throws(SplitError) {
        try Shamir.check(threshold: threshold, count: count)
        self.setID = setID
        self.threshold = threshold
        self.count = count
        bytes = SecretBytes(count: threshold * Share.byteCount)
    }

    /// How far the collection is.
    package var progress: Progress {
        indices.count == threshold ? .complete : .needsMore(have: indices.count, need: threshold)
    }

    /// Takes a share, or refuses it and stays as it was.
    ///
    /// Once there are enough, a further share that fits is wiped unused. Throws `.foreign`, `.wrongThreshold`,
    /// `.unknownIndex` or `.repeated`, the first that applies.
    @discardableResult
    package mutating func add(_ share: consuming Share) throws(ShareError) -> Progress {
        guard share.setID == setID else { throw .foreign(found: share.setID, expected: setID) }
        guard Int(share.threshold) == threshold else {
            throw .wrongThreshold(found: share.threshold, expected: UInt8(threshold))
        }
        guard share.index >= 1, Int(share.index) <= count else {
            throw .unknownIndex(index: share.index, count: UInt8(count))
        }
        guard !indices.contains(share.index) else { throw .repeated(index: share.index) }
        guard indices.count < threshold else { return .complete }
        let offset = indices.count * Share.byteCount
        let source = share.span
        var target = bytes.mutableSpan
        for position in 0..<Share.byteCount { target[offset + position] = source[position] }
        indices.append(share.index)
        return progress
    }

    /// The secret that the shares give; the shares are wiped, and the collection is empty again.
    ///
    /// Throws `.tooFew`, and then keeps what was entered. A share of the right set with false bytes gives a false
    /// secret: compare a check value.
    package mutating func combine() throws(ShareError) -> SecretBytes {
        guard progress == .complete else { throw .tooFew(have: indices.count, need: threshold) }
        let secret = Shamir.combine(indices: indices, shares: bytes.span)
        reset()
        return secret
    }

    /// Wipes every share that was entered and begins anew.
    package mutating func reset() {
        var all = bytes.mutableSpan
        wipe(&all)
        indices.removeAll()
    }
}
