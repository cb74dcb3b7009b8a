import Glibc

/// Why a file could not be read, in words.
struct FileFailure: Error {
    var message: String
}

/// The bytes of the regular file at `path`, at most `bytesMax`. Never waits on a pipe or device.
func readSmallFile(_ path: String, bytesMax: Int) throws(FileFailure) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileFailure(message: "cannot be opened: \(errorText(errno))") }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
        throw FileFailure(message: "cannot be read: \(errorText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileFailure(message: "is not a regular file") }

    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw FileFailure(message: "cannot be read: \(errorText(errno))") }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
        guard bytes.count <= bytesMax else {
            throw FileFailure(message: "is larger than \(configurationText(bytes: bytesMax))")
        }
    }
}

/// What the system says about `code`.
func errorText(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    let text = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return text.isEmpty ? "error \(code)" : String(decoding: text, as: UTF8.self)
}
