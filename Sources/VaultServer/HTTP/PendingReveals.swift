internal import NIOCore
internal import VaultTransport
internal import VaultWire

/// Slices of a bulk reveal that wait for their audit records, in order. Their cards are wiped where they must not be sent.
struct PendingReveals {
    enum Fate {
        /// With the numbers of its records.
        case recorded(ClosedRange<UInt64>)
        case refused(ProblemCode)
    }

    struct Slice {
        var lines: ByteBuffer
        let count: Int
        let revealed: UInt64
        /// Until when the record has to be there.
        let due: NIODeadline
        /// To be asked again before its lines are sent; nil where no line has a card.
        let permit: RevealPermit?
        fileprivate var fate: Fate?

        init(lines: ByteBuffer, count: Int, revealed: UInt64, due: NIODeadline, permit: RevealPermit?) {
            self.lines = lines
            self.count = count
            self.revealed = revealed
            self.due = due
            self.permit = permit
        }
    }

    private var slices = CircularBuffer<Slice>()
    /// Number of the first slice.
    private var first: UInt64 = 0

    var count: Int { slices.count }
    var isEmpty: Bool { slices.isEmpty }

    /// Until when the first that is not settled has to be.
    var firstDue: NIODeadline? { slices.first?.due }

    /// Adds a slice and gives its number.
    mutating func append(_ slice: Slice) -> UInt64 {
        slices.append(slice)
        return first + UInt64(slices.count - 1)
    }

    /// Says what becomes of a slice; false where that was settled before.
    @discardableResult
    mutating func settle(_ number: UInt64, _ fate: Fate) -> Bool {
        guard number >= first, number < first + UInt64(slices.count) else { return false }
        let index = slices.index(slices.startIndex, offsetBy: Int(number - first))
        guard slices[index].fate == nil else { return false }
        slices[index].fate = fate
        if case .refused = fate { VaultTransport.wipe(&slices[index].lines) }
        return true
    }

    /// Takes the first slice, where it is settled.
    mutating func popSettled() -> (slice: Slice, fate: Fate)? {
        guard let fate = slices.first?.fate else { return nil }
        first += 1
        return (slices.removeFirst(), fate)
    }

    /// Refuses what should have been settled by now.
    mutating func giveUp(_ now: NIODeadline) {
        for offset in 0..<slices.count {
            let index = slices.index(slices.startIndex, offsetBy: offset)
            if slices[index].due <= now { settle(first + UInt64(offset), .refused(.auditUnavailable)) }
        }
    }

    /// Wipes all: there is nobody to send it to.
    mutating func wipe() {
        for offset in 0..<slices.count {
            VaultTransport.wipe(&slices[slices.index(slices.startIndex, offsetBy: offset)].lines)
        }
        first += UInt64(slices.count)
        slices.removeAll()
    }
}

extension ByteBuffer {
    /// Appends the bulk line of a problem.
    mutating func append(_ problem: ProblemCode) {
        writeWithOutputRawSpan(minimumWritableBytes: AnswerLine.maxBytes) { AnswerLine.append(problem, to: &$0) }
    }
}
