// Feeds bytes to the keyring decoder, as they are and as damage to a real keyring that has something of everything:
// what it takes is exactly what it wrote.
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
    guard keyring.annex == whole.annex, keyring.root == whole.root, keyring.generation == whole.generation else {
        fatalError("not what was written")
    }
    return true
}

func rootKey() -> RootKey {
    let bytes = [UInt8](repeating: 7, count: RootKey.byteCount)
    guard let root = RootKey(SecretBytes(copying: bytes.span)) else { fatalError("no root key") }
    return root
}

/// Two destroyed versions with their receipts, a retiring one, commands that wait, custodians, shares.
let whole: Keyring = {
    do {
        var description = RootDescription(kind: .shares, since: 5)
        description.threshold = 3
        description.count = 5
        description.setID = 0x0102_0304
        description.wrapped = [UInt8](repeating: 0xA5, count: RootDescription.wrappedBytesMax)
        let anna = KeyAuthority(requestedBy: "anna (1000)", approvedBy: "bob (1001)")
        var keyring = try Keyring.create(now: 1, root: description)
        for purpose in [KeyPurpose.data, .index] {
            keyring = try keyring.rotating(purpose, now: 2, by: anna, reason: .age)
            keyring = try keyring.destroying(purpose, 1, now: 3, recordsMoved: 4, by: .automatic)
        }
        keyring = try keyring.rotating(.data, now: 5, by: .automatic, reason: .encryptions)
        return keyring.annotated { annex in
            for id in 1...2 as ClosedRange<UInt32> {
                annex.pending.append(
                    PendingCommand(
                        id: id, command: "rotate", argument: "data", description: "rotate the data key",
                        requestedBy: 1_000, requesterName: "anna (1000)", created: 6, expires: 7))
            }
            annex.nextPendingID = 3
            for index in 1...5 as ClosedRange<UInt8> {
                annex.custodians.append(Custodian(name: "custodian \(index)", setID: 9, index: index, since: 8))
            }
        }
    } catch {
        fatalError("no keyring")
    }
}()

/// That keyring, written once.
let written: [UInt8] = {
    guard let bytes = try? KeyringFile.encode(whole, root: rootKey()) else { fatalError("no keyring") }
    return bytes
}()
