internal import VaultCore

/// Whose tokens are, for reports: what the vault can still say. Where it is sealed, reopened or damaged, nobody's. One
/// background thread.
final class TokenOwners {
    private let host: VaultHost
    private var reader: Box?
    /// The keyring generation that the reader was made under.
    private var generation: UInt64 = 0

    private final class Box {
        var reader: SubjectReader
        init(_ reader: consuming SubjectReader) { self.reader = reader }
    }

    init(_ host: VaultHost) { self.host = host }

    /// The subjects of tokens, in order; a subject that is no text is shown in hexadecimal.
    func subjects(of tokens: [UInt64]) -> [String?] {
        do throws(StoreError) {
            guard let box = try current() else { return tokens.map { _ in nil } }
            return try box.reader.subjects(of: tokens).map { bytes in
                bytes.map { String(validating: $0, as: UTF8.self) ?? "0x" + hexText($0) }
            }
        } catch {
            reader = nil
            return tokens.map { _ in nil }
        }
    }

    /// A reader under the keys in force: a rotation may have moved what is asked for.
    private func current() throws(StoreError) -> Box? {
        guard let store = host.currentStore, let keyring = host.keyring else { return nil }
        if let reader, generation == keyring.generation { return reader }
        let made = Box(try SubjectReader(store: store, keyring: keyring))
        reader = made
        generation = keyring.generation
        return made
    }

    /// Every token of a subject that is in the vault now.
    static func tokens(
        of subject: [UInt8], _ host: VaultHost, goesOn: () -> Bool
    ) throws(KeyFailure) -> Set<UInt64> {
        guard let store = host.currentStore, let keyring = host.keyring else { throw .sealed }
        let tokens: Set<UInt64>?
        do throws(StoreError) {
            var reader = try SubjectReader(store: store, keyring: keyring)
            tokens = try reader.tokens(of: subject, goesOn: goesOn)
        } catch {
            throw KeyFailure(error)
        }
        guard let tokens else { throw .stopping }
        return tokens
    }
}
