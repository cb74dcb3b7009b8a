internal import CLMDB

/// A table whose keys are `UInt64` numbers, stored and compared in native byte order (`MDB_INTEGERKEY`).
///
/// A handle is a plain value, good for every later transaction of its environment once the transaction that opened it
/// has committed. After an abort it is void: open it again.
package struct IntegerTable: Sendable {
    let handle: TableHandle
}

/// A table whose keys are 1 to ``Environment/keyBytesMax`` bytes, ordered byte by byte.
///
/// The rules of ``IntegerTable`` apply.
package struct BytesTable: Sendable {
    let handle: TableHandle
}

/// LMDB's table number with the environment it belongs to, so that a handle used elsewhere is refused instead of naming
/// whatever table has that number there.
struct TableHandle: Sendable {
    let index: MDB_dbi
    let environment: UInt32
}

/// The size and shape of one table, in one snapshot.
package struct TableStatistics: Equatable, Sendable {
    /// The number of records.
    package let entries: Int
    /// The height of the tree.
    package let depth: Int
    /// Pages of each kind, of ``EnvironmentInfo/pageBytes`` each.
    package let branchPages, leafPages, overflowPages: Int
}
