import COpenSSL
import Glibc

/// Where libssl reads ciphertext from and writes ciphertext to: memory that the caller of a session lends for one call.
/// A plain struct at a fixed address, so that the callbacks below neither retain nor allocate.
///
/// What libssl writes while no memory is lent, or more than fits (handshake messages, alerts, answers to key updates),
/// waits in `spill` in order. libssl therefore never has to wait for room.
///
/// `@unsafe`: holds lent pointers; only `TLSSession` makes and uses one, and takes the loans back before each call
/// returns.
@unsafe
struct CiphertextPort {
    var input: UnsafePointer<UInt8>?
    var inputBytes = 0

    var output: UnsafeMutablePointer<UInt8>?
    var outputRoom = 0
    var outputBytes = 0

    var spill: UnsafeMutablePointer<UInt8>?
    var spillBytes = 0
    var spillCapacity = 0

    /// Hands out up to `count` bytes of the lent input.
    mutating func read(into target: UnsafeMutableRawPointer, count: Int) -> Int {
        let taken = unsafe min(count, inputBytes)
        guard taken > 0, let source = unsafe input else { return 0 }
        unsafe target.copyMemory(from: source, byteCount: taken)
        unsafe input = source + taken
        unsafe inputBytes -= taken
        return taken
    }

    /// Takes all `count` bytes; false if there is no memory.
    mutating func write(_ source: UnsafeRawPointer, count: Int) -> Bool {
        // Once something spilled, all that follows must queue behind it.
        if unsafe spillBytes == 0, unsafe count <= outputRoom - outputBytes, let output = unsafe output {
            unsafe UnsafeMutableRawPointer(output + outputBytes).copyMemory(from: source, byteCount: count)
            unsafe outputBytes += count
            return true
        }
        if unsafe spillBytes + count > spillCapacity {
            let capacity = unsafe max(512, 2 * spillCapacity, spillBytes + count)
            guard let grown = unsafe realloc(spill, capacity) else { return false }
            unsafe spill = grown.assumingMemoryBound(to: UInt8.self)
            unsafe spillCapacity = capacity
        }
        guard let spill = unsafe spill else { return false }
        unsafe UnsafeMutableRawPointer(spill + spillBytes).copyMemory(from: source, byteCount: count)
        unsafe spillBytes += count
        return true
    }

    /// Moves as much of the spill as fits into `target` and returns how much that was. An emptied spill is given back.
    mutating func drain(into target: UnsafeMutableRawPointer, room: Int) -> Int {
        let moved = unsafe min(room, spillBytes)
        guard moved > 0, let spill = unsafe spill else { return 0 }
        unsafe target.copyMemory(from: spill, byteCount: moved)
        unsafe spillBytes -= moved
        if unsafe spillBytes == 0 {
            unsafe freeSpill()
        } else {
            unsafe memmove(spill, spill + moved, spillBytes)
        }
        return moved
    }

    mutating func freeSpill() {
        unsafe free(spill)
        unsafe spill = nil
        unsafe spillBytes = 0
        unsafe spillCapacity = 0
    }
}

extension CiphertextPort {
    /// A BIO over the port at `address`, which must outlive it. The corresponding C functions are `BIO_new`,
    /// `BIO_set_data`.
    static func makeBIO(over address: UnsafeMutablePointer<CiphertextPort>) -> OpaquePointer? {
        guard let bio = unsafe BIO_new(portMethod) else { return nil }
        unsafe BIO_set_data(bio, address)
        unsafe BIO_set_init(bio, 1)
        return unsafe bio
    }
}

/// The kind of BIO that a port is. Made once and never freed or changed, so sharing the pointer is safe.
private nonisolated(unsafe) let portMethod: OpaquePointer? = {
    let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ciphertext port")
    unsafe BIO_meth_set_read_ex(method, portRead)
    unsafe BIO_meth_set_write_ex(method, portWrite)
    unsafe BIO_meth_set_ctrl(method, portControl)
    return unsafe method
}()

/// libssl wants ciphertext. "None yet" is a retry, never an end of file: how a connection ended is the owner's to
/// judge.
private func portRead(
    _ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ count: Int, _ taken: UnsafeMutablePointer<Int>?
) -> Int32 {
    unsafe strongroom_BIO_clear_retry_flags(bio)
    guard let target = unsafe target, let data = unsafe BIO_get_data(bio) else { return 0 }
    let port = unsafe data.assumingMemoryBound(to: CiphertextPort.self)
    let got = unsafe port.pointee.read(into: target, count: count)
    unsafe taken?.pointee = got
    if got == 0 { unsafe strongroom_BIO_set_retry_read(bio) }
    return got > 0 ? 1 : 0
}

/// libssl has ciphertext. All of it is taken, always.
private func portWrite(
    _ bio: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ count: Int, _ taken: UnsafeMutablePointer<Int>?
) -> Int32 {
    unsafe strongroom_BIO_clear_retry_flags(bio)
    guard let source = unsafe source, let data = unsafe BIO_get_data(bio) else { return 0 }
    let port = unsafe data.assumingMemoryBound(to: CiphertextPort.self)
    guard unsafe port.pointee.write(source, count: count) else { return 0 }
    unsafe taken?.pointee = count
    return 1
}

/// libssl asks for a flush, which has nothing to do, or for what memory cannot offer.
private func portControl(
    _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
    command == BIO_CTRL_FLUSH ? 1 : 0
}
