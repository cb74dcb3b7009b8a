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

    private mutating func load(_ id: Int, in snapshot: borrowing Snapshot, _ tables: Tables) throws(LMDBError) -> UInt64? {
        let key = MetaKey.purposeSet(UInt16(id))
        guard let value = try snapshot.get(tables.meta, key.span), value.count == 8 else { return nil }
        let mask = UInt64(bigEndian: value, at: 0)
        while masks.count <= id { masks.append(nil) }
        masks[id] = mask
        return mask
    }
}
