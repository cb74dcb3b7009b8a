// Feeds stored bytes to the record decoder as they are, and seals what the input describes and damages it: a record
// opens with exactly what was sealed, or not at all.
import OpenSSLCrypto
import VaultCore

/// One keyring with two data key versions' worth of records; owned by libFuzzer's one thread.
final class Vault {
    var cipher: RecordCipher

    init() {
        guard let keyring = try? Keyring.create(now: 1), let cipher = try? RecordCipher(keyring) else {
            fatalError("no keyring")
        }
        self.cipher = cipher
    }
}

// Made at the first input and used by one thread only.
nonisolated(unsafe) let vault = Vault()

/// The entry point that libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    raw(input)
    var rest = Input(bytes: input)
    switch rest.byte() % 2 {
    case 0: record(&rest)
    default: text(&rest)
    }
    return 0
}

/// Takes the input apart; zeros after its end.
struct Input {
    var bytes: [UInt8]
    var position = 0

    mutating func byte() -> UInt8 {
        defer { position += 1 }
        return position < bytes.count ? bytes[position] : 0
    }

    mutating func number(_ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<count { value = value << 8 | UInt64(byte()) }
        return value
    }

    var isAtEnd: Bool { position >= bytes.count }
}

/// Bytes that nobody sealed: whatever the header says, they do not open.
func raw(_ input: [UInt8]) {
    let token = UInt64(input.count)
    if let header = RecordHeader(input.span) {
        guard input.count == RecordLayout.byteCount, input[0] == RecordLayout.version else { fatalError("header") }
        guard open(input, header, token: token) == nil else { fatalError("opened what was never sealed") }
    }
    if let text = unsafe try? vault.cipher.openText(input.span, token: token) {
        fatalError("opened a text that was never sealed, \(text.count) bytes")
    }
}

func open(_ record: [UInt8], _ header: RecordHeader, token: UInt64) -> (UInt64, UInt8, UInt16)? {
    guard let card = unsafe try? vault.cipher.open(record.span, header: header, token: token) else { return nil }
    return (card.pan.value, card.pan.length, card.expiry?.packed ?? 0)
}

/// Seals a card that the input describes, then damages record or token as the rest says.
func record(_ input: inout Input) {
    let token = input.number(8)
    let length = input.byte() % 8 + 12
    var value: UInt64 = input.number(8)
    var least: UInt64 = 1
    for _ in 1..<length { least *= 10 }
    // Into the range of numbers with so many digits; 19 digits do not reach the end of 64 bits times ten.
    value = least + value % (least * 9)
    guard let pan = PAN(value: value, length: length) else { fatalError("a number of its length was refused") }
    let card = Card(pan: pan, expiry: CardExpiry(packed: UInt16(input.number(2) % 1_201)))
    let header = RecordHeader(
        flags: RecordFlags(rawValue: input.byte() & 7), format: UInt16(input.number(2)), keyVersion: 0,
        created: UInt32(input.number(4)), deadline: UInt32(input.number(4)), purposeSet: UInt16(input.number(2)))
    var sealed = [UInt8](repeating: 0, count: RecordLayout.byteCount)
    var span = sealed.mutableSpan
    guard (unsafe try? vault.cipher.seal(card, header: header, token: token, into: &span)) != nil else {
        fatalError("not sealed")
    }
    var expected = header
    expected.keyVersion = 1
    guard RecordHeader(sealed.span) == expected else { fatalError("another header") }
    let wanted = (pan.value, pan.length, card.expiry?.packed ?? 0)
    guard let opened = open(sealed, expected, token: token), opened == wanted else { fatalError("does not open") }

    var damaged = sealed
    var otherToken = token
    while !input.isAtEnd {
        let position = Int(input.byte())
        if position < 64 { damaged[position] ^= input.byte() } else { otherToken ^= input.number(8) }
    }
    guard let damagedHeader = RecordHeader(damaged.span) else {
        guard damaged != sealed else { fatalError("a sound record was refused") }
        return
    }
    let result = open(damaged, damagedHeader, token: otherToken)
    let isSame = damaged == sealed && otherToken == token
    guard isSame == (result != nil) else {
        fatalError(isSame ? "a sound record did not open" : "a damaged record opened")
    }
}

/// Seals the rest of the input as a subject; cut, changed or moved it does not open.
func text(_ input: inout Input) {
    let token = input.number(8)
    let cut = Int(input.byte())
    let change = input.number(2)
    let text = Array(input.bytes.dropFirst(input.position).prefix(RecordCipher.textBytesMax))
    guard let sealed = unsafe try? vault.cipher.sealText(text.span, token: token) else { fatalError("not sealed") }
    guard let opened = unsafe try? vault.cipher.openText(sealed.span, token: token), opened == text else {
        fatalError("another text")
    }
    var damaged = sealed
    damaged[Int(change) % damaged.count] ^= 1
    let shorter = Array(sealed.dropLast(cut % sealed.count + 1))
    let longer = sealed + [UInt8](repeating: 0, count: cut + 1)
    for bytes in [damaged, shorter, longer] {
        guard (unsafe try? vault.cipher.openText(bytes.span, token: token)) == nil else {
            fatalError("a damaged text opened")
        }
    }
    guard (unsafe try? vault.cipher.openText(sealed.span, token: token ^ 1)) == nil else {
        fatalError("a moved text opened")
    }
}
