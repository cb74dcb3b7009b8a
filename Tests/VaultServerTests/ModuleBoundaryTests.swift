import Testing

@Suite("Module boundaries")
struct ModuleBoundaryTests {
    @Test("every source file keeps to the module table, the length and the rules for card numbers")
    func sources() throws {
        let files = Repository.files(below: "Sources", suffix: ".swift")
        try #require(files.count > 100, "the sources were not found")
        var targets: Set<Substring> = []
        for path in files {
            targets.insert(path.split(separator: "/")[1])
            let text = try #require(Repository.text(path))
            for problem in ModuleBoundaries.problems(path: path, text: text) { Issue.record("\(problem)") }
        }
        // The table has no row for a target that is gone; the C targets have no Swift files.
        let rows = Set(ModuleBoundaries.allowedImports.keys.map { $0[...] })
        #expect(targets.union(["CLinux", "CLMDB", "COpenSSL", "CPKCS11"]) == rows)
    }

    @Test("the C modules hold nothing but a module map and headers")
    func systemLibraries() {
        for target in ["CLinux", "CLMDB", "COpenSSL", "CPKCS11"] {
            let all = Repository.files(below: "Sources/\(target)", suffix: "")
            #expect(!all.isEmpty)
            #expect(all.allSatisfy { $0.hasSuffix(".h") || $0.hasSuffix(".modulemap") }, "\(all)")
        }
    }

    @Test("the table has no cycle: each target imports only targets that do not lead back to it")
    func acyclic() {
        func reach(_ target: String, _ path: [String]) {
            #expect(!path.contains(target), "\(path + [target])")
            guard !path.contains(target) else { return }
            for next in ModuleBoundaries.allowedImports[target] ?? [] where next != target {
                reach(next, path + [target])
            }
        }
        for target in ModuleBoundaries.allowedImports.keys { reach(target, []) }
    }

    // MARK: The checker itself

    private func problems(_ path: String, _ lines: String...) -> [String] {
        ModuleBoundaries.problems(path: path, text: lines.joined(separator: "\n") + "\n")
    }

    @Test(
        "an import that the table does not allow is found, however it is written",
        arguments: [
            "import NIOCore", "internal import NIOCore", "@preconcurrency import NIOCore", "  package import NIOCore",
            "@testable public import NIOCore.Channel", "import struct NIOCore.ByteBuffer", "import NIOCore;",
            "@_exported @_spi(A) import class NIOCore.Channel",
        ])
    func forbiddenImport(line: String) {
        #expect(problems("Sources/VaultCore/Cards/PAN.swift", line).count == 1)
        #expect(problems("Sources/VaultServer/Host/Clocks.swift", line).isEmpty)
    }

    @Test(
        "lines that import nothing are let be",
        arguments: [
            "// import NIOCore", "/// import NIOCore", "let important = 1", "imports NIOCore", "", "func f() {}",
        ])
    func noImport(line: String) {
        #expect(problems("Sources/VaultWire/Limits.swift", line).isEmpty)
    }

    @Test("only LMDB imports CLMDB, only PKCS11 imports CPKCS11, only the two OpenSSL modules import COpenSSL")
    func systemImports() {
        for target in ModuleBoundaries.allowedImports.keys {
            let path = "Sources/\(target)/File.swift"
            #expect(problems(path, "import CLMDB").isEmpty == (target == "LMDB"))
            #expect(problems(path, "import CPKCS11").isEmpty == (target == "PKCS11"))
            #expect(problems(path, "import COpenSSL").isEmpty == ["OpenSSLCrypto", "OpenSSLTLS"].contains(target))
        }
    }

    @Test("Foundation and Yams are for the configuration loader alone")
    func loader() {
        for module in ["Foundation", "Yams"] {
            #expect(problems("Sources/VaultServer/Configuration/A.swift", "import \(module)").isEmpty)
            #expect(problems("Sources/VaultServer/HTTP/A.swift", "import \(module)").count == 1)
            #expect(problems("Sources/VaultServer/A.swift", "import \(module)").count == 1)
            #expect(problems("Sources/VaultCore/Configuration/A.swift", "import \(module)").count == 1)
            #expect(problems("Sources/strongroom/A.swift", "import struct \(module).Data").count == 1)
        }
    }

    @Test("a target without a row, and a file outside of a target, are found")
    func unknownTarget() {
        #expect(problems("Sources/VaultPlugins/A.swift", "let a = 1").count == 1)
        #expect(problems("Sources/A.swift", "let a = 1").count == 1)
    }

    @Test("a file of 500 lines passes, one of 501 does not")
    func length() {
        let lines = [String](repeating: "let a = 1", count: 500)
        func count(_ text: String) -> Int {
            ModuleBoundaries.problems(path: "Sources/VaultCore/A.swift", text: text).count
        }
        #expect(count(lines.joined(separator: "\n") + "\n") == 0)
        #expect(count((lines + ["let a = 1"]).joined(separator: "\n") + "\n") == 1)
        #expect(count((lines + ["let a = 1"]).joined(separator: "\n")) == 1)
    }

    @Test("notes for later are found", arguments: ModuleBoundaries.notes)
    func notes(note: String) {
        #expect(problems("Sources/VaultCore/A.swift", "// \(note): later").count == 1)
    }

    @Test(
        "card numbers as text are found",
        arguments: [
            "func store(pan: String)", "func store(_ pan: inout String)", "let pan: Substring",
            "var pans: [String] = []",
            "init(cardNumber: some StringProtocol)", "func f(pan : Swift.String)", #"print("\(pan)")"#,
            #"throw Error("card \(card.pan) is odd")"#, #"log("\(item.pan.value)")"#,
        ])
    func cardsAsText(line: String) {
        #expect(problems("Sources/VaultCore/A.swift", line).count == 1)
    }

    @Test(
        "card numbers as bytes and values pass, and so do other strings",
        arguments: [
            "func store(pan: PAN)", "init(pan: borrowing Span<UInt8>)", "let pan: UInt64", "let panel: String",
            "let company: String", #"print("\(panel) \(expansion)")"#, "func format(of name: String)",
        ])
    func notCardsAsText(line: String) {
        #expect(problems("Sources/VaultCore/A.swift", line).isEmpty)
    }
}
