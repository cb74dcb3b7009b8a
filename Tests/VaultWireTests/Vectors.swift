import Glibc

/// Test material from outside the package: the folder in `STRONGROOM_VECTORS`, else `../shared/vectors` beside it.
enum Vectors {
    /// The bytes of a file, or nil, said loudly, when it is not there.
    static func load(_ name: String) -> [UInt8]? {
        var folders: [String] = []
        if let folder = unsafe getenv("STRONGROOM_VECTORS") { folders.append(unsafe String(cString: folder)) }
        // .../<package>/Tests/VaultWireTests/Vectors.swift
        let parts = #filePath.split(separator: "/").dropLast(4)
        folders.append("/" + parts.joined(separator: "/") + "/shared/vectors")
        for folder in folders {
            if let bytes = read(folder + "/" + name) { return bytes }
        }
        print("!!! vectors absent: \(name) in \(folders); nothing was tested with it")
        return nil
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = unsafe fopen(path, "rb") else { return nil }
        defer { _ = unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // `fread` writes at most the bytes the array has.
            let count = unsafe fread(&chunk, 1, chunk.count, file)
            if count == 0 { return bytes }
            bytes += chunk[0..<count]
        }
    }

    /// Decodes base64 with padding; nil when it is none.
    static func base64(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for character in text where character != UInt8(ascii: "=") {
            let value: UInt8
            switch character {
            case 0x41...0x5A: value = character - 0x41
            case 0x61...0x7A: value = character - 0x61 + 26
            case 0x30...0x39: value = character - 0x30 + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
