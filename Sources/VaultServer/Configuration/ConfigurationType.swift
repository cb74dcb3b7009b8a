/// How one kind of value is written: reads a node, or reports what was expected instead and returns nil.
package struct ConfigurationType<Value: Sendable>: Sendable {
    /// Reads the value at a path; nil means the problem is reported.
    let parse: @Sendable (ConfigurationNode, String, inout ConfigurationDecoder) -> Value?

    /// A value written as one scalar. `read` gets its text and whether it was quoted, and throws what is wrong with it.
    static func scalar(
        _ expected: String, _ read: @escaping @Sendable (String, Bool) throws(ValueRefused) -> Value
    ) -> Self {
        Self { node, path, decoder in
            guard case .scalar(let text, let isQuoted) = node.content, !node.isEmpty else {
                decoder.report(path, "must be \(expected), not \(node.kind)", at: node.position)
                return nil
            }
            do throws(ValueRefused) {
                return try read(text, isQuoted)
            } catch {
                decoder.report(path, error.message ?? "must be \(expected), not \(node.kind)", at: node.position)
                return nil
            }
        }
    }

    /// The same way of writing, for another type.
    func map<Other: Sendable>(_ transform: @escaping @Sendable (Value) -> Other) -> ConfigurationType<Other> {
        .init { node, path, decoder in self.parse(node, path, &decoder).map(transform) }
    }

    /// `word` for one fixed value, anything else as this type reads it.
    func or(_ word: String, _ value: Value) -> Self {
        Self { node, path, decoder in
            if case .scalar(word, isQuoted: false) = node.content { return value }
            return self.parse(node, path, &decoder)
        }
    }

    /// Nil for `word`, anything else as this type reads it.
    func orNone(as word: String = "none") -> ConfigurationType<Value?> {
        map { $0 }.or(word, nil)
    }
}

/// Why a scalar was not accepted; without a message the type's general expectation is reported.
struct ValueRefused: Error {
    var message: String?
}

extension ConfigurationType<Bool> {
    /// `true` or `false`, unquoted.
    static let flag = scalar("true or false") { text, isQuoted throws(ValueRefused) in
        switch (text, isQuoted) {
        case ("true", false): return true
        case ("false", false): return false
        default: throw ValueRefused()
        }
    }
}

extension ConfigurationType<Int> {
    /// A whole number in `range`, unquoted decimal digits.
    static func integer(_ range: ClosedRange<Int>) -> Self {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return scalar(expected) { text, isQuoted throws(ValueRefused) in
            guard !isQuoted, let number = decimal(text), range.contains(number) else { throw ValueRefused() }
            return number
        }
    }
}

extension ConfigurationType where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of a fixed set of words.
    static var word: Self {
        let words = Value.allCases.map(\.rawValue)
        let expected = "one of " + words.joined(separator: ", ")
        return scalar(expected) { text, _ throws(ValueRefused) in
            if let value = Value(rawValue: text) { return value }
            let hint = closestName(to: text, among: words).map { ", did you mean '\($0)'?" }
            throw ValueRefused(message: hint.map { "must be \(expected)\($0)" })
        }
    }
}

extension ConfigurationType<String> {
    /// A name: a lower-case letter, then up to 63 lower-case letters, digits, `_` or `-`.
    static let name = scalar("a name (\(configurationNameRule))") { text, isQuoted throws(ValueRefused) in
        guard isConfigurationName(text), isQuoted || !looksLikeAnotherType(text) else { throw ValueRefused() }
        return text
    }

    /// One line of printable text, 1 to `bytesMax` bytes of UTF-8.
    static func text(bytesMax: Int) -> Self {
        scalar("one line of text, at most \(bytesMax) bytes") { text, isQuoted throws(ValueRefused) in
            guard (1...bytesMax).contains(text.utf8.count),
                text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
            else { throw ValueRefused() }
            guard isQuoted || !looksLikeAnotherType(text) else {
                throw ValueRefused(message: "must be text; write \"\(text)\" with quotes if that is meant")
            }
            return text
        }
    }
}

extension ConfigurationType {
    /// A list of different values.
    static func list<Element: Hashable & Sendable>(of type: ConfigurationType<Element>) -> Self
    where Value == [Element] {
        Self { node, path, decoder in
            var seen = Set<Element>()
            var result: [Element] = []
            for (index, element) in decoder.elements(of: node, at: path).enumerated() {
                let elementPath = "\(path)[\(index)]"
                decoder.positions[elementPath] = element.position
                guard let value = type.parse(element, elementPath, &decoder) else { continue }
                if seen.insert(value).inserted {
                    result.append(value)
                } else {
                    decoder.report(elementPath, "is in the list twice")
                }
            }
            return result
        }
    }
}

/// The rule of `isConfigurationName` in words.
let configurationNameRule = "a lower-case letter, then lower-case letters, digits, '_' or '-', at most 64 characters"

/// Whether `text` may name a client, format or purpose: `[a-z][a-z0-9_-]{0,63}`.
func isConfigurationName(_ text: String) -> Bool {
    guard (1...64).contains(text.utf8.count), let first = text.utf8.first, (0x61...0x7A).contains(first) else {
        return false
    }
    return text.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0.isDigit || $0 == 0x5F || $0 == 0x2D }
}

extension UInt8 {
    /// `0` to `9`.
    var isDigit: Bool { (0x30...0x39).contains(self) }

    /// `A` to `Z`, `a` to `z` or `0` to `9`, and nothing beyond ASCII.
    var isLetterOrDigit: Bool { isDigit || (0x61...0x7A).contains(self | 0x20) }
}

/// The number written by 1 to 18 ASCII digits without a leading zero; nil for anything else.
func decimal(_ text: some StringProtocol) -> Int? {
    guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit) else { return nil }
    guard text.utf8.count == 1 || text.utf8.first != 0x30 else { return nil }
    return Int(text)
}

/// Whether YAML readers would take unquoted `text` for a truth value or a number, so that it is likely a slip.
private func looksLikeAnotherType(_ text: String) -> Bool {
    let words: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
    return words.contains(text.lowercased()) || (Double(text) != nil)
}
