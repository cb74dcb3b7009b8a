import Testing

@testable import LMDB

@Suite("Cursors")
struct CursorTests {
    @Test("number keys are walked in numeric order, across byte boundaries")
    func integerOrder() throws {
        let store = try Store()
        let keys: [UInt64] = [0, 1, 255, 256, 65535, 65536, 1 << 32, (1 << 32) + 1, 9_999_999_999_999_999_999, .max]
        var transaction = try store.environment.beginWrite()
        for key in keys.shuffled() { try transaction.put(store.numbers, key, payload(key).span) }
        try transaction.commit()
        var reader = try Reader(store.environment)
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(store.numbers)
        var walked: [UInt64] = []
        var found = try cursor.first()
        while found {
            walked.append(cursor.key)
            #expect(copy(cursor.value) == payload(cursor.key))
            found = try cursor.next()
        }
        #expect(walked == keys)
    }

    @Test("seek finds the key or the next above, and the end")
    func seek() throws {
        let store = try Store()
        try store.fill(1000, step: 10)
        var reader = try Reader(store.environment)
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(store.numbers)
        for (key, expected) in [(0, 0), (1, 10), (10, 10), (4995, 5000), (9990, 9990)] as [(UInt64, UInt64)] {
            let found = try cursor.seek(atOrAfter: key)
            #expect(found && cursor.key == expected)
        }
        let beyond = try cursor.seek(atOrAfter: 9991)
        #expect(!beyond)
        let empty: [UInt8] = []
        var names = try snapshot.cursor(store.names)
        let inEmpty = try names.seek(atOrAfter: empty.span)
        let firstInEmpty = try names.first()
        #expect(!inEmpty && !firstInEmpty)
    }

    @Test("byte keys are walked in byte order, a prefix first")
    func bytesOrder() throws {
        let store = try Store()
        let keys: [[UInt8]] = [[0], [0, 0], [1], [1, 255], [2], [127, 1], [128], [255], [255, 255]]
        var transaction = try store.environment.beginWrite()
        for key in keys.shuffled() { try transaction.put(store.names, key.span, key.span) }
        try transaction.commit()
        var reader = try Reader(store.environment)
        let walked = try reader.withSnapshot { snapshot throws(LMDBError) in
            var cursor = try snapshot.cursor(store.names)
            var walked: [[UInt8]] = []
            let empty: [UInt8] = []
            var found = try cursor.seek(atOrAfter: empty.span)
            while found {
                walked.append(copy(cursor.key))
                found = try cursor.next()
            }
            return walked
        }
        #expect(walked == keys)
        let snapshot = try reader.snapshot()
        var cursor = try snapshot.cursor(store.names)
        let found = try cursor.seek(atOrAfter: [1, 0].span)
        #expect(found && copy(cursor.key) == [1, 255])
    }

    @Test("a write cursor replaces values of any size in place while it walks", arguments: [8, 48, 49, 500, 6000])
    func replace(bytes: Int) throws {
        let store = try Store()
        try store.fill(3000)
        var transaction = try store.environment.beginWrite()
        do {
            var cursor = try transaction.cursor(store.numbers)
            var found = try cursor.first()
            var expected: UInt64 = 0
            while found {
                #expect(cursor.key == expected)
                if cursor.key % 3 == 0 {
                    try cursor.replace(payload(cursor.key + 1, bytes).span)
                    #expect(cursor.key == expected)
                    #expect(copy(cursor.value) == payload(expected + 1, bytes))
                }
                expected += 1
                found = try cursor.next()
            }
            #expect(expected == 3000)
        }
        try transaction.commit()
        for key in [0, 1, 2, 1500, 2997, 2998] as [UInt64] {
            let expected = key % 3 == 0 ? payload(key + 1, bytes) : payload(key)
            #expect(try read(store.environment, store.numbers, key) == expected)
        }
    }

    @Test("replacing under byte keys keeps every key, whatever the sizes")
    func replaceUnderByteKeys() throws {
        let store = try Store()
        var transaction = try store.environment.beginWrite()
        var keys: [[UInt8]] = []
        for index in 0..<500 {
            let key = Array(String(10_000 + index).utf8) + [UInt8](repeating: 65, count: index % 300)
            keys.append(key)
            try transaction.put(store.names, key.span, payload(UInt64(index), index % 97).span)
        }
        do {
            var cursor = try transaction.cursor(store.names)
            var found = try cursor.first()
            var index = 0
            while found {
                #expect(copy(cursor.key) == keys[index])
                try cursor.replace(payload(UInt64(index), (index * 7) % 211).span)
                #expect(copy(cursor.key) == keys[index])
                index += 1
                found = try cursor.next()
            }
            #expect(index == 500)
        }
        let entries = try transaction.statistics(store.names).entries
        #expect(entries == 500)
        try transaction.commit()
    }

    @Test("a write cursor deletes while it walks and misses nothing")
    func delete() throws {
        let store = try Store()
        try store.fill(10_000)
        var transaction = try store.environment.beginWrite()
        do {
            var cursor = try transaction.cursor(store.numbers)
            var found = try cursor.seek(atOrAfter: 100)
            var expected: UInt64 = 100
            while found {
                #expect(cursor.key == expected)
                if expected % 4 != 0 { try cursor.delete() }
                expected += 1
                found = try cursor.next()
            }
            #expect(expected == 10_000)
        }
        let left = try transaction.statistics(store.numbers).entries
        #expect(left == 100 + 9900 / 4)
        do {
            var cursor = try transaction.cursor(store.numbers)
            while try cursor.next() { try cursor.delete() }
        }
        let none = try transaction.statistics(store.numbers).entries
        #expect(none == 0)
        try transaction.commit()
    }

    @Test("changing a record without standing on one is refused")
    func noPosition() throws {
        let store = try Store()
        try store.fill(2)
        var transaction = try store.environment.beginWrite()
        var cursor = try transaction.cursor(store.numbers)
        var refusals = 0
        do throws(LMDBError) { try cursor.delete() } catch { refusals += error.kind == .invalid ? 1 : 0 }
        do throws(LMDBError) { try cursor.replace([1].span) } catch { refusals += error.kind == .invalid ? 1 : 0 }
        _ = try cursor.first()
        try cursor.delete()
        do throws(LMDBError) { try cursor.delete() } catch { refusals += error.kind == .invalid ? 1 : 0 }
        #expect(refusals == 3)
        let found = try cursor.next()
        #expect(found && cursor.key == 1)
    }
}
