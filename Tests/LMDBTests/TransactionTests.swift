import Glibc
import Testing

@testable import LMDB

@Suite("Transactions")
struct TransactionTests {
    @Test("a committed value is read back, an aborted or dropped one is not")
    func commitAndAbort() throws {
        let store = try Store()
        var first = try store.environment.beginWrite()
        try first.put(store.numbers, 1, [1, 2, 3].span)
        let seen = copy(optional: try first.get(store.numbers, 1))
        #expect(seen == [1, 2, 3])
        try first.commit()
        var second = try store.environment.beginWrite()
        try second.put(store.numbers, 1, [9].span)
        second.abort()
        do {
            var third = try store.environment.beginWrite()
            try third.put(store.numbers, 2, [9].span)
        }
        #expect(try read(store.environment, store.numbers, 1) == [1, 2, 3])
        #expect(try read(store.environment, store.numbers, 2) == nil)
    }

    @Test("insert keeps an existing value and says so, for both kinds of key")
    func insertIfAbsent() throws {
        let store = try Store()
        var transaction = try store.environment.beginWrite()
        let firstNumber = try transaction.insert(store.numbers, 7, [1].span)
        let secondNumber = try transaction.insert(store.numbers, 7, [2].span)
        let firstName = try transaction.insert(store.names, [65].span, [1].span)
        let secondName = try transaction.insert(store.names, [65].span, [2].span)
        let afterRefusal = try transaction.insert(store.numbers, 8, [3].span)
        #expect(firstNumber && !secondNumber && firstName && !secondName && afterRefusal)
        let number = copy(optional: try transaction.get(store.numbers, 7))
        let name = copy(optional: try transaction.get(store.names, [65].span))
        #expect(number == [1] && name == [1])
        try transaction.commit()
        #expect(try read(store.environment, store.numbers, 8) == [3])
    }

    @Test("delete tells whether the key was there, and entries are counted")
    func deleteAndCount() throws {
        let store = try Store()
        try store.fill(1000)
        var transaction = try store.environment.beginWrite()
        let there = try transaction.delete(store.numbers, 500)
        let gone = try transaction.delete(store.numbers, 500)
        let nothing: [UInt8] = []
        try transaction.put(store.names, [1].span, nothing.span)
        let nameGone = try transaction.delete(store.names, [2].span)
        #expect(there && !gone && !nameGone)
        let numbers = try transaction.statistics(store.numbers)
        let names = try transaction.statistics(store.names)
        #expect(numbers.entries == 999 && names.entries == 1)
        #expect(numbers.depth == 2 && numbers.leafPages > 10 && numbers.branchPages == 1 && numbers.overflowPages == 0)
        let empty = copy(optional: try transaction.get(store.names, [1].span))
        #expect(empty == [])
        try transaction.commit()
    }

    @Test("a snapshot does not see commits made after it was taken, and refresh does")
    func isolation() throws {
        let store = try Store()
        try store.fill(1)
        var reader = try Reader(store.environment)
        var snapshot = try reader.snapshot()
        let number = snapshot.transactionNumber
        var transaction = try store.environment.beginWrite()
        try transaction.put(store.numbers, 0, [7].span)
        try transaction.commit()
        let before = copy(optional: try snapshot.get(store.numbers, 0))
        #expect(before == payload(0))
        try snapshot.refresh()
        let after = copy(optional: try snapshot.get(store.numbers, 0))
        #expect(after == [7])
        let later = snapshot.transactionNumber
        #expect(later == number + 1)
    }

    @Test("keys outside 1 to 511 bytes are refused by name")
    func keySizes() throws {
        let store = try Store()
        let longest = [UInt8](repeating: 7, count: Environment.keyBytesMax)
        let tooLong = [UInt8](repeating: 7, count: Environment.keyBytesMax + 1)
        for key in [tooLong, []] {
            #expect(
                kind { () throws(LMDBError) in
                    var transaction = try store.environment.beginWrite()
                    try transaction.put(store.names, key.span, [1].span)
                } == .badKeySize)
        }
        var transaction = try store.environment.beginWrite()
        try transaction.put(store.names, longest.span, [1].span)
        try transaction.commit()
    }

    @Test("a missing table, a table of the other kind and one table too many are refused by name")
    func tables() throws {
        let store = try Store()
        #expect(
            kind { () throws(LMDBError) in
                var transaction = try store.environment.beginWrite()
                _ = try transaction.integerTable("absent", create: false)
            } == .incompatibleTable)
        let directory = store.directory
        _ = consume store
        let environment = try Environment(path: directory.path, mapBytes: 1 << 20, maxTables: 2)
        #expect(
            kind { () throws(LMDBError) in
                var transaction = try environment.beginWrite()
                _ = try transaction.bytesTable("numbers")
            } == .incompatibleTable)
        #expect(
            kind { () throws(LMDBError) in
                var transaction = try environment.beginWrite()
                _ = try transaction.integerTable("names")
            } == .incompatibleTable)
        #expect(
            kind { () throws(LMDBError) in
                var transaction = try environment.beginWrite()
                _ = try transaction.bytesTable("names", create: false)
                _ = try transaction.integerTable("numbers", create: false)
                _ = try transaction.integerTable("third")
            } == .tablesFull)
    }

    @Test("a table of another environment is refused in every call")
    func foreignTable() throws {
        let store = try Store()
        let other = try Store()
        var transaction = try store.environment.beginWrite()
        var refusals: [LMDBError.Kind] = []
        do throws(LMDBError) {
            _ = try transaction.get(other.numbers, 1) == nil
        } catch {
            refusals.append(error.kind)
        }
        do throws(LMDBError) { try transaction.put(other.numbers, 1, [1].span) } catch { refusals.append(error.kind) }
        do throws(LMDBError) { _ = try transaction.delete(other.numbers, 1) } catch { refusals.append(error.kind) }
        do throws(LMDBError) { _ = try transaction.cursor(other.names).key } catch { refusals.append(error.kind) }
        #expect(refusals == [.invalid, .invalid, .invalid, .invalid])
        transaction.abort()
        #expect(kind { () throws(LMDBError) in _ = try read(store.environment, other.numbers, 1) } == .invalid)
    }

    @Test("a write transaction inside another on one thread traps instead of waiting for ever")
    func nestedWrite() async {
        let result = await #expect(processExitsWith: .failure) {
            try beginTwice()
        }
        guard case .signal = result?.exitStatus else {
            Issue.record("an error was thrown, or nothing happened")
            return
        }
    }
}

/// Synchronous, because no transaction call is available to asynchronous code.
private func beginTwice() throws {
    let store = try Store()
    let outer = try store.environment.beginWrite()
    let inner = try store.environment.beginWrite()
    try inner.commit()
    try outer.commit()
}
