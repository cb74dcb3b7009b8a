/// The rules that `ModuleBoundaryTests` enforces, as a checker over text, so that it can be tested itself.
///
/// The table is the one of docs/DESIGN.md. Arrows go downwards only: a module may import what its row lists, and nothing else.
enum ModuleBoundaries {
    /// What each target may import.
    static let allowedImports: [String: Set<String>] = [
        "CLinux": [],
        "CLMDB": [],
        "COpenSSL": [],
        "CPKCS11": [],
        "SecretMemory": ["Glibc", "Synchronization"],
        "LMDB": ["CLMDB", "Glibc", "Synchronization"],
        "OpenSSLCrypto": ["COpenSSL", "SecretMemory"],
        "OpenSSLTLS": ["COpenSSL", "SecretMemory", "Glibc"],
        "PKCS11": ["CPKCS11", "SecretMemory", "Glibc"],
        "VaultCore": ["CLinux", "LMDB", "OpenSSLCrypto", "SecretMemory", "Glibc", "Synchronization"],
        "VaultWire": [],
        "VaultTransport": ["OpenSSLTLS", "NIOCore", "Glibc"],
        "VaultServer": [
            "VaultCore", "VaultWire", "VaultTransport", "OpenSSLTLS", "OpenSSLCrypto", "LMDB", "PKCS11", "SecretMemory",
            "Glibc", "Synchronization", "NIOCore", "NIOPosix", "NIOHTTP1", "Logging", "Yams", "Foundation",
        ],
        "StrongroomClient": [
            "VaultTransport", "VaultWire", "OpenSSLTLS", "SecretMemory", "Glibc", "Synchronization", "NIOCore",
            "NIOPosix", "NIOHTTP1",
        ],
        "strongroomd": ["VaultServer", "SecretMemory", "Glibc", "ArgumentParser", "Logging", "UnixSignals"],
        "strongroom": [
            "StrongroomClient", "VaultServer", "VaultCore", "VaultWire", "SecretMemory", "Glibc", "Synchronization",
            "ArgumentParser",
        ],
    ]

    /// Modules that only the configuration loader may import, whatever its target's row says: Yams brings Foundation in,
    /// and Foundation's types hold and copy bytes where nothing wipes them.
    static let loaderOnly: Set<String> = ["Foundation", "Yams"]
    static let loaderFolder = "Sources/VaultServer/Configuration/"

    /// Lines of a source file, at most.
    static let linesMax = 500

    /// Notes for later that have no place in the tree. In pieces, so that this file may be searched too.
    static let notes = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]

    /// What is wrong with a file of `Sources`, one line each; empty for a file in order.
    static func problems(path: String, text: String) -> [String] {
        let parts = path.split(separator: "/")
        guard parts.count >= 3, parts[0] == "Sources" else { return ["\(path): not in a target's folder"] }
        let target = String(parts[1])
        guard let allowed = allowedImports[target] else { return ["\(path): the table has no target \(target)"] }

        var problems: [String] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        // A declaration that would let a card number be a `String`: `pan: String`, `cardNumbers: [Substring]`.
        let cardAsText =
            #/\b(?:pan|cardNumber)s?\s*:\s*(?:(?:inout|borrowing|consuming|some|any) )*\[?(?:Swift\.)?(?:Static|Sub)?[Ss]tring(?:Protocol)?\b/#
        // A card number put into a string: `\(pan)`, `\(card.pan)`.
        let cardInterpolated = #/\\\((?:[a-zA-Z0-9]+\.)*(?:pan|cardNumber)(?:\.value)?\)/#
        // A final newline ends a line and begins none.
        let count = lines.last == "" ? lines.count - 1 : lines.count
        if count > linesMax { problems.append("\(path): \(count) lines, at most \(linesMax)") }
        for (number, line) in lines.enumerated() {
            func report(_ what: String) { problems.append("\(path):\(number + 1): \(what)") }
            if let module = importedModule(line) {
                if !allowed.contains(module) {
                    report("\(target) may not import \(module)")
                } else if loaderOnly.contains(module), !path.hasPrefix(loaderFolder) {
                    report("only the configuration loader may import \(module)")
                }
            }
            for note in notes where line.contains(note) { report("a note for later: \(note)") }
            if line.contains(cardAsText) { report("a card number as text") }
            if line.contains(cardInterpolated) { report("a card number in a string") }
        }
        return problems
    }

    /// The module that a line imports, whatever attributes, access level or kind of declaration it names; nil for a line
    /// that is no import.
    static func importedModule(_ line: some StringProtocol) -> String? {
        var words = line.split { $0 == " " || $0 == "\t" || $0 == ";" }[...]
        let modifiers: Set = ["public", "package", "internal", "fileprivate", "private"]
        while let word = words.first, word.hasPrefix("@") || modifiers.contains(String(word)) { words.removeFirst() }
        guard words.popFirst() == "import" else { return nil }
        let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        if let word = words.first, kinds.contains(String(word)) { words.removeFirst() }
        // `import Foundation.NSData` imports Foundation.
        return words.first.map { String($0.prefix { $0 != "." }) }
    }
}
