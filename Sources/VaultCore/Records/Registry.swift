internal import LMDB

/// Names that records refer to by number: formats and purposes. Numbers are given once and kept in the database, so that
/// a configuration may be reordered, and a format dropped and taken up again, without touching a record.
package struct Registry: Sendable {
    /// Most formats a vault ever knows: one bit each in `Access.formats`.
    package static let formatsMax = 64
    /// Most purposes a vault ever knows: one bit each in a purpose mask.
    package static let purposesMax = 64

    private var formats: [String: UInt16] = [:]
    private var purposes: [String: UInt8] = [:]

    init() {}

    /// Numbers for as long as the database is closed: good for reading a configuration, never for a record.
    package init(provisionallyFor formats: [String]) {
        for (position, name) in formats.enumerated() where position < Self.formatsMax - 1 {
            self.formats[name] = UInt16(position + 1)
        }
    }

    package func formatID(_ name: String) -> UInt16? { formats[name] }

    package func formatName(_ id: UInt16) -> String? { formats.first { $0.value == id }?.key }

    /// The purpose's bit as a mask; `nil` for a name that no configuration ever had.
    package func purposeMask(_ name: String) -> UInt64? { purposes[name].map { 1 << UInt64($0) } }

    /// Compares bytes with the known names, without making a `String` of them.
    package func purposeMask(_ name: borrowing Span<UInt8>) -> UInt64? {
        for (known, bit) in purposes where Self.equal(known, name) { return 1 << UInt64(bit) }
        return nil
    }

    /// Compares bytes with the known names, without making a `String` of them.
    package func formatID(_ name: borrowing Span<UInt8>) -> UInt16? {
        for (known, id) in formats where Self.equal(known, name) { return id }
        return nil
    }

    /// Names of a mask's purposes, sorted.
    package func purposeNames(_ mask: UInt64) -> [String] {
        purposes.filter { mask & (1 << UInt64($0.value)) != 0 }.map(\.key).sorted()
    }

    /// Reads all names.
    static func load(
        _ transaction: inout WriteTransaction, _ tables: Tables
    ) throws(StoreError) -> Registry {
        var registry = Registry()
        for (name, value) in try entries(&transaction, tables, prefix: MetaKey.formatPrefix) {
            guard let id = Self.number(value, key: MetaKey.formatPrefix + Array(name.utf8), bytes: 2), id < formatsMax
            else {
                throw .damaged("format registry")
            }
            registry.formats[name] = id
        }
        for (name, value) in try entries(&transaction, tables, prefix: MetaKey.purposePrefix) {
            guard let bit = Self.number(value, key: MetaKey.purposePrefix + Array(name.utf8), bytes: 1),
                bit < purposesMax
            else {
                throw .damaged("purpose registry")
            }
            registry.purposes[name] = UInt8(bit)
        }
        return registry
    }

    /// Gives numbers to names that have none yet.
    mutating func register(
        formats newFormats: [String], purposes newPurposes: [String], _ transaction: inout WriteTransaction,
        _ tables: Tables
    ) throws(StoreError) {
        for name in newFormats where formats[name] == nil {
            let id = formats.values.max().map { $0 + 1 } ?? 1
            guard id < Self.formatsMax else { throw .registryFull("formats", Self.formatsMax - 1) }
            var value: [UInt8] = []
            value.append(bigEndian: id)
            let key = MetaKey.formatPrefix + Array(name.utf8)
            try transaction.putMeta(tables, key, try MetaChecksum.appended(to: value, key: key))
            formats[name] = id
        }
        for name in newPurposes where purposes[name] == nil {
            let bit = purposes.values.max().map { $0 + 1 } ?? 0
            guard bit < Self.purposesMax else { throw .registryFull("purposes", Self.purposesMax) }
            let key = MetaKey.purposePrefix + Array(name.utf8)
            try transaction.putMeta(tables, key, try MetaChecksum.appended(to: [bit], key: key))
            purposes[name] = bit
        }
    }

    private static func entries(
        _ transaction: inout WriteTransaction, _ tables: Tables, prefix: [UInt8]
    ) throws(StoreError) -> [(String, [UInt8])] {
        var found: [(String, [UInt8])] = []
        try lmdb { () throws(LMDBError) in
            var cursor = try transaction.cursor(tables.meta)
            var isInside = try cursor.seek(atOrAfter: prefix.span)
            while isInside, hasPrefix(cursor.key, prefix) {
                let name = cursor.key.extracting(droppingFirst: prefix.count).copied
                found.append(
                    (
                        String(decoding: name, as: UTF8.self),
                        cursor.value.extracting(first: MetaKey.valueBytesMax + 1).copied
                    ))
                isInside = try cursor.next()
            }
        }
        return found
    }

    /// The number of a name, as stored; `nil` where it is not as it was written.
    static func number(_ stored: [UInt8], key: [UInt8], bytes: Int) -> UInt16? {
        guard let value = MetaChecksum.checked(stored, key: key, valueBytes: bytes) else { return nil }
        return value.reduce(0) { $0 << 8 | UInt16($1) }
    }

    private static func hasPrefix(_ key: borrowing Span<UInt8>, _ prefix: [UInt8]) -> Bool {
        guard key.count > prefix.count else { return false }
        for index in prefix.indices where key[index] != prefix[index] { return false }
        return true
    }

    private static func equal(_ name: String, _ bytes: borrowing Span<UInt8>) -> Bool {
        var index = 0
        for byte in name.utf8 {
            guard index < bytes.count, bytes[index] == byte else { return false }
            index += 1
        }
        return index == bytes.count
    }
}
