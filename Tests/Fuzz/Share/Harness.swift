// Feeds bytes to the share decoder, as they are and as damage to a real share: what it takes is what it wrote, however
// that was spaced and whatever look-alikes were typed.
import SecretMemory
import VaultCore

/// The entry point that libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    check(input)

    // The input's bytes at places it names itself: two bytes each. Then it may cut.
    var damaged = written
    var position = 1
    while position + 1 < input.count {
        damaged[Int(input[position]) % damaged.count] = input[position + 1]
        position += 2
    }
    if let first = input.first, first & 1 == 1 { damaged.removeLast(Int(first >> 1) % damaged.count) }
    check(damaged)
    return 0
}

/// A share that is taken is written again as the text it was written as at first.
func check(_ text: [UInt8]) {
    guard let share = try? ShareText.decode(text.span) else { return }
    guard let again = try? ShareText.encode(share) else { fatalError("a share that cannot be written") }
    let canonical = canonicalForm(text)
    let expected = canonicalForm((0..<again.count).map { again.span[$0] })
    guard canonical == expected else { fatalError("two texts for one share") }
}

/// Without what a reader skips, in upper case, look-alikes replaced.
func canonicalForm(_ text: [UInt8]) -> [UInt8] {
    text.filter { ![0x20, 0x2D, 0x09, 0x0D, 0x0A].contains($0) }.map { byte in
        let upper = (0x61...0x7A).contains(byte) ? byte - 0x20 : byte
        switch upper {
        case UInt8(ascii: "I"), UInt8(ascii: "L"): return UInt8(ascii: "1")
        case UInt8(ascii: "O"): return UInt8(ascii: "0")
        default: return upper
        }
    }
}

/// A real share, written once.
let written: [UInt8] = {
    let bytes = (0..<32).map { UInt8($0 * 7) }
    guard let share = Share(setID: 0x1A2B_3C4D, threshold: 3, index: 2, SecretBytes(copying: bytes.span)),
        let text = try? ShareText.encode(share)
    else { fatalError("no share") }
    return (0..<text.count).map { text.span[$0] }
}()
