internal import LMDB

/// Purpose sets by id, read from the database when first met. One per thread.
struct PurposeSets {
    private var masks: [UInt64?] = []

    /// The mask of a record's purpose set, all ones for set 0; `nil` where the set is not on file.
    @inline(__always)
    mutating func mask(
        of header: RecordHeader, in snapshot: borrowing Snapshot, _ tables: Tables
    ) throws(LMDBError) -> UInt64? {
        let id = Int(header.purposeSet)
        if id == 0 { return .max }
        if id < masks.count, let mask = masks[id] { return mask }
        return try load(id, in: snapshot, tables)
    }

    /// The mask of a stored set; `nil` where it is not as it was written.
    static func mask(_ stored: borrowing Span<UInt8>, key: [UInt8]) -> UInt64? {
        let bytes = stored.extracting(first: MetaKey.valueBytesMax + 1).copied
        guard let value = MetaChecksum.checked(bytes, key: key, valueBytes: 8) else { return nil }
        return UInt64(bigEndian: value.span, at: 0)
    }

    private mutating func load(_ id: Int, in snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError)
        -> UInt64?
    {
        let key = MetaKey.purposeSet(UInt16(id))
        guard let stored = try snapshot.get(tables.meta, key.span), let mask = Self.mask(stored, key: key) else {
            return nil
        }
        while masks.count <= id { masks.append(nil) }
        masks[id] = mask
        return mask
    }
}
