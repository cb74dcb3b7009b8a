import Foundation
import OpenSSLCrypto
import Testing

/// Published test vectors: flat JSON with a list of cases, byte strings in hex.
struct VectorFile<Case: Decodable>: Decodable {
    var cases: [Case]

    /// Reads a file from the folder that `STRONGROOM_VECTORS` names, else from `../shared/vectors` beside the package.
    ///
    /// Returns nil, and says so, when the file is not there.
    static func load(_ name: String) throws -> Self? {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder =
            ProcessInfo.processInfo.environment["STRONGROOM_VECTORS"].map { URL(filePath: $0) }
            ?? root.deletingLastPathComponent().appending(path: "shared/vectors")
        let file = folder.appending(path: name)
        guard FileManager.default.fileExists(atPath: file.path) else {
            print("!!! vectors absent: \(name) is not in STRONGROOM_VECTORS or ../shared/vectors; nothing was checked")
            return nil
        }
        return try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
    }
}

enum Verdict: String, Decodable {
    case valid, invalid, acceptable
}

/// Bytes written in hex.
struct Hex: Decodable, Equatable, ExpressibleByStringLiteral {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(stringLiteral text: String) {
        bytes = Self.parse(text) ?? []
    }

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let bytes = Self.parse(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not hex"))
        }
        self.bytes = bytes
    }

    private static func parse(_ text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
