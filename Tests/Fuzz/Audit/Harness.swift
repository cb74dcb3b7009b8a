// Feeds bytes to the readers of the audit log and of signed notes, as they are and as damage to a real record: both readers
// of a record's frame agree, and whatever is taken is written again as it was.
import VaultCore

/// The entry point that libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    check(line: input)
    check(note: input)
    check(key: input)

    // The input's bytes at places it names itself: three bytes each.
    var damaged = record
    var position = 0
    while position + 2 < input.count {
        damaged[(Int(input[position]) << 8 | Int(input[position + 1])) % damaged.count] = input[position + 2]
        position += 3
    }
    check(line: damaged)
    return 0
}

func check(line: [UInt8]) {
    guard let read = AuditLine(line) else { return }
    guard let seal = AuditSeal(line.span) else { fatalError("a record whose frame the writer does not know") }
    guard seal.sequence == read.seq, seal.chain == read.chain, seal.previous == read.previous, seal.link == read.mac
    else { fatalError("two readers, two frames") }
    for (_, value) in read.members {
        if case .texts(let texts) = value { precondition(texts.count < line.count) }
    }
    _ = read.tokens("tokens")
    guard !CommonEventFormat.event(read, version: "1").utf8.contains(0x0A) else { fatalError("an event on two lines") }
}

func check(note: [UInt8]) {
    guard let read = SignedNote(note) else { return }
    guard Array(read.description.utf8) == note else { fatalError("two texts for one note") }
    if let (checkpoint, _) = Checkpoint.parse(note) {
        guard read.text.hasPrefix(checkpoint.text) else { fatalError("two texts for one checkpoint") }
    }
}

func check(key: [UInt8]) {
    guard let text = String(validating: key, as: UTF8.self), let read = try? VerifierKey(text) else { return }
    guard read.text == text else { fatalError("two texts for one key") }
}

/// A record as the log writes it.
let record: [UInt8] = {
    let zeros = String(repeating: "0", count: 64)
    let text =
        #"{"seq":42,"time":"2026-11-28T11:22:33.123Z","boot":"00000000-0000-4000-8000-000000000000","op":"detokenize","#
        + #""client":"billing","purpose":"charge","outcome":"ok","asked":2,"tokens":["9900000000000001","9900000000000002"],"#
        + #""keys":[1,2],"chain":1,"prev":"\#(zeros)","mac":"\#(zeros)"}"#
    return Array(text.utf8)
}()
