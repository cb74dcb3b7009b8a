// Feeds bytes to the keyring decoder, as they are and as damage to a real keyring: what it takes is exactly what it
// wrote.
import SecretMemory
import VaultCore

/// The entry point that libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer owns the bytes for the length of this call; they are copied.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard !isTaken(input) else { fatalError("a keyring of nobody's making") }

    // The input's bytes at places it names itself: three bytes each. Then it may cut or lengthen.
    var damaged = written
    var position = 1
    while position + 2 < input.count {
        damaged[(Int(input[position]) << 8 | Int(input[position + 1])) % damaged.count] = input[position + 2]
        position += 3
    }
    if let first = input.first {
        if first & 1 == 1 { damaged.removeLast(Int(first >> 1)) }
        if first & 3 == 2 { damaged += [UInt8](repeating: 0, count: Int(first >> 2)) }
    }
    guard isTaken(damaged) == (damaged == written) else { fatalError("damage was taken, or a sound keyring refused") }
    return 0
}

func isTaken(_ bytes: [UInt8]) -> Bool {
    let root = rootKey()
    guard let keyring = try? KeyringFile.decode(bytes, root: root) else { return false }
    guard keyring.active(.data) != nil, keyring.active(.index) != nil else { fatalError("no active key") }
    return true
}

func rootKey() -> RootKey {
    let bytes = [UInt8](repeating: 7, count: RootKey.byteCount)
    guard let root = RootKey(SecretBytes(copying: bytes.span)) else { fatalError("no root key") }
    return root
}

/// A real keyring, written once.
let written: [UInt8] = {
    guard let keyring = try? Keyring.create(now: 1), let bytes = try? KeyringFile.encode(keyring, root: rootKey())
    else {
        fatalError("no keyring")
    }
    return bytes
}()
