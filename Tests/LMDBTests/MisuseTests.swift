import Glibc
import Testing

/// Programs that must not compile, each with the words the compiler must refuse it with, and one that must.
///
/// They are compiled against the module this test was built with, through the compiler's ownership and lifetime checks.
@Suite("Misuse does not compile")
struct MisuseTests {
    private static let cases: [(name: String, body: String, refusal: String?)] = [
        (
            "ordinary use",
            """
            var transaction = try environment.beginWrite()
            if let value = try transaction.get(table, 1) { print(value.count) }
            try transaction.put(table, 1, bytes.span)
            try transaction.commit()
            let snapshot = try reader.snapshot()
            var cursor = try snapshot.cursor(table)
            while try cursor.next() { print(cursor.key, cursor.value.count) }
            """, nil
        ),
        (
            "use after commit",
            """
            var transaction = try environment.beginWrite()
            try transaction.commit()
            try transaction.put(table, 1, bytes.span)
            """, "'transaction' used after consume"
        ),
        (
            "commit twice",
            """
            let transaction = try environment.beginWrite()
            try transaction.commit()
            try transaction.commit()
            """, "'transaction' consumed more than once"
        ),
        (
            "a span kept over a change",
            """
            var transaction = try environment.beginWrite()
            let value = try transaction.get(table, 1)
            try transaction.put(table, 2, bytes.span)
            print(value?.count ?? 0)
            """, "overlapping accesses to 'transaction'"
        ),
        (
            "a span kept over the commit",
            """
            let transaction = try environment.beginWrite()
            let value = try transaction.get(table, 1)
            try transaction.commit()
            print(value?.count ?? 0)
            """, "'transaction' cannot be consumed when captured by an escaping closure or borrowed"
        ),
        (
            "a span kept longer than its snapshot",
            """
            var kept: Span<UInt8>?
            do {
                let snapshot = try reader.snapshot()
                kept = try snapshot.get(table, 1)
            }
            print(kept?.count ?? 0)
            """, "lifetime-dependent variable 'kept' escapes its scope"
        ),
        (
            "a span returned from a snapshot's closure",
            """
            let value: Span<UInt8>? = try reader.withSnapshot { snapshot throws(LMDBError) in
                try snapshot.get(table, 1)
            }
            print(value?.count ?? 0)
            """, "Escapable"
        ),
        (
            "two snapshots of one reader at once",
            """
            let first = try reader.snapshot()
            let second = try reader.snapshot()
            print(try first.get(table, 1) == nil, try second.get(table, 1) == nil)
            """, "overlapping accesses to 'reader'"
        ),
        (
            "a cursor's value kept over a move",
            """
            let snapshot = try reader.snapshot()
            var cursor = try snapshot.cursor(table)
            _ = try cursor.first()
            let value = cursor.value
            _ = try cursor.next()
            print(value.count)
            """, "overlapping accesses to 'cursor'"
        ),
        (
            "the transaction used beside its cursor",
            """
            var transaction = try environment.beginWrite()
            var cursor = try transaction.cursor(table)
            try transaction.put(table, 1, bytes.span)
            try cursor.delete()
            """, "overlapping accesses to 'transaction'"
        ),
        (
            "a transaction in an asynchronous function",
            """
            func later() async throws { let transaction = try environment.beginWrite(); try transaction.commit() }
            """, "unavailable from asynchronous contexts"
        ),
        (
            "a number as the key of a table of bytes",
            """
            let transaction = try environment.beginWrite()
            print(try transaction.get(names, 1) == nil)
            """, "cannot convert value"
        ),
    ]

    @Test("each misuse is refused by the compiler with the words expected, and ordinary use is not")
    func refused() throws {
        guard let modules = Self.modules() else {
            print("!!! misuse tests skipped: the built LMDB module was not found beside the package")
            return
        }
        let directory = TemporaryDirectory()
        let program = directory.path + "/program.swift"
        let log = directory.path + "/log"
        defer { for path in [program, log] { _ = unsafe unlink(path) } }
        for (name, body, refusal) in Self.cases {
            Self.write(Self.frame(body), to: program)
            let flags = "-swift-version 6 -enable-experimental-feature Lifetimes -parse-as-library -Onone"
            let status = unsafe system(
                "swiftc \(flags) -I '\(modules.built)' -I '\(modules.c)' -emit-sil -o /dev/null '\(program)' "
                    + ">'\(log)' 2>&1")
            if status == 127 << 8 {
                print("!!! misuse tests skipped: no swiftc on the path")
                return
            }
            let output = Self.read(log)
            if let refusal {
                #expect(status != 0 && output.contains(refusal), "\(name): \(output)")
            } else {
                #expect(status == 0, "\(name): \(output)")
            }
        }
    }

    private static func frame(_ body: String) -> String {
        """
        @testable import LMDB

        func program(
            _ environment: Environment, _ reader: inout Reader, _ table: IntegerTable, _ names: BytesTable,
            _ bytes: [UInt8]
        ) throws {
        \(body)
        }
        """
    }

    /// The folders of the built module and of the C module's map, found from where this file was compiled.
    private static func modules() -> (built: String, c: String)? {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let built = root + "/.build/debug/Modules"
        let found = unsafe access(built + "/LMDB.swiftmodule", R_OK) == 0
        return found ? (built, root + "/Sources/CLMDB") : nil
    }

    private static func write(_ text: String, to path: String) {
        guard let file = unsafe fopen(path, "w") else { return }
        _ = unsafe fputs(text, file)
        _ = unsafe fclose(file)
    }

    private static func read(_ path: String) -> String {
        guard let file = unsafe fopen(path, "r") else { return "" }
        defer { _ = unsafe fclose(file) }
        var bytes: [UInt8] = []
        while true {
            let next = unsafe getc(file)
            if next < 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(UInt8(truncatingIfNeeded: next))
        }
    }
}
