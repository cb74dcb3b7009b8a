import Testing

@testable import VaultWire

/// Compares the documents with the sources where both say the same thing: what is written once and forgotten rots.
@Suite("Documents and sources agree")
struct DocumentationTests {
    private func text(_ path: String) throws -> String { try #require(Repository.text(path), "\(path) is missing") }

    @Test("the error table of docs/PROTOCOL.md is the list of problem codes")
    func errorTable() throws {
        let rows = try text("docs/PROTOCOL.md").matches(
            of: #/\n\| ([0-9]{3}) \| `([a-z_]+)` \| (yes|no) \| ([^|]+) \|/#)
        let written = rows.map { "\($0.output.1) \($0.output.2) \($0.output.3) \($0.output.4)" }
        let real = ProblemCode.allCases.map { "\($0.status) \($0.code) \($0.isRetryable ? "yes" : "no") \($0.title)" }
        #expect(written == real)
    }

    @Test("docs/PROTOCOL.md names every sensitive field")
    func sensitiveFields() throws {
        let document = try text("docs/PROTOCOL.md")
        for name in SensitiveField.names { #expect(document.contains("`\(name)`")) }
    }

    @Test("docs/PROTOCOL.md has every path")
    func paths() throws {
        let document = try text("docs/PROTOCOL.md")
        let router = try text("Sources/VaultServer/HTTP/RequestHead.swift")
        for match in router.matches(of: #/case "(\/v1\/[a-z\/]+)": return/#) {
            #expect(document.contains("`\(match.output.1)`"))
        }
    }

    @Test("docs/PROTOCOL.md has every path of the control plane, and no other")
    func controlPaths() throws {
        let source = try text("Sources/VaultServer/Control/ControlPlane.swift")
        var real: Set<String> = []
        for (method, name) in [("GET", "gets"), ("POST", "posts")] {
            // From the table's name to the bracket that closes it.
            let start = try #require(source.firstRange(of: "\(name): [String: Command] = ["), "the table '\(name)'")
            let rest = source[start.upperBound...]
            let end = try #require(rest.firstRange(of: "\n        ]"))
            let paths = rest[..<end.lowerBound].matches(of: #/"(\/v1\/[a-z\/]+)":/#).map { "\(method) \($0.output.1)" }
            #expect(paths.count > 5)
            real.formUnion(paths)
        }
        let rows = try text("docs/PROTOCOL.md").matches(of: #/\n\| `((?:GET|POST) \/v1\/[a-z\/]+)` \|/#)
        #expect(Set(rows.map { String($0.output.1) }) == real)
        #expect(rows.count == real.count, "each once")
    }

    @Test("docs/OPERATING.md explains every metric, and no other")
    func metrics() throws {
        let source = try text("Sources/VaultServer/Operations/PrometheusText.swift")
        let real = source.matches(of: #/output\.(?:add|head)\(\s*"([a-z_0-9]+)", \.([a-z]+)/#)
            .map { "strongroom_\($0.output.1) \($0.output.2)" }
        let rows = try text("docs/OPERATING.md").matches(
            of: #/\n\| `(strongroom_[a-z_0-9]+)(?:{[a-z,]+})?` \| ([a-z]+) \|/#)
        #expect(real.count > 20)
        #expect(Set(rows.map { "\($0.output.1) \($0.output.2)" }) == Set(real))
        #expect(rows.count == real.count, "each once")
    }

    @Test("docs/OPERATING.md explains every log event with its level, and no other")
    func events() throws {
        var real: Set<String> = []
        for path in Repository.files(below: "Sources/VaultServer", suffix: ".swift") {
            for match in try text(path).matches(
                of: #/logger\.(notice|warning|error|critical|info|debug|trace)\(\s*"([^"]*)"/#)
            {
                // One that is put together from parts could be found neither here nor in a log.
                #expect(match.output.2.allSatisfy { $0.isLowercase || $0 == "_" }, "\(path): \(match.output.2)")
                real.insert("\(match.output.2) \(match.output.1)")
            }
        }
        let rows = try text("docs/OPERATING.md")
            .matches(of: #/\n\| `([a-z_]+)` \| (notice|warning|error|critical|info|debug|trace) \|/#)
        #expect(real.count > 10)
        #expect(Set(rows.map { "\($0.output.1) \($0.output.2)" }) == real)
    }

    @Test("docs/OPERATING.md explains every exit code of the daemon")
    func exitCodes() throws {
        let document = try text("docs/OPERATING.md")
        let rows = Set(document.matches(of: #/\n\| ([0-9]{1,2}) \|/#).map { String($0.output.1) })
        var codes: Set<String> = []
        for path in ["Host/StartupError.swift", "Keys/RootSource.swift"] {
            // 70 is for what cannot happen.
            let found = try text("Sources/VaultServer/\(path)").matches(of: #/[:?] (6[0-9]|7[0-9])\b/#)
                .map { String($0.output.1) }.filter { $0 != "70" }
            #expect(found.count > 4, "\(path)")
            codes.formUnion(found)
        }
        #expect(rows.isSuperset(of: codes), "missing: \(codes.subtracting(rows))")
    }

    @Test(
        "layouts are drawn in docs/DESIGN.md as in the sources",
        arguments: ["RecordLayout.swift", "BlindIndex.swift", "KeyringFile.swift"])
    func layouts(file: String) throws {
        let path = try #require(Repository.files(below: "Sources/VaultCore", suffix: file).first)
        let document = try text("docs/DESIGN.md")
        let lines = try text(path).split(separator: "\n", omittingEmptySubsequences: false)
        // The first fenced picture in the file's doc comments.
        let start = try #require(lines.firstIndex { $0 == "/// ```" })
        let picture = lines[(start + 1)...].prefix { $0 != "/// ```" }.map { String($0.dropFirst(4)) }
        #expect(picture.count > 4)
        #expect(document.contains(picture.joined(separator: "\n")), "the picture of \(file)")
    }

    @Test("strongroom.yaml(5) has every key of docs/strongroom.yaml")
    func manualPage() throws {
        let manual = try text("docs/man/strongroom.yaml.5")
        let keys = try text("docs/strongroom.yaml").matches(of: #/\n *#? *(?:- )?([a-z_0-9]+):/#).map {
            String($0.output.1)
        }
        #expect(keys.count > 50)
        // An example's name of a format stands for any; entries of `clients` and alternatives are explained in prose.
        for key in Set(keys).subtracting(["cards"]) {
            let places = [".It Li \(key)\n", ".\(key)\n", ".Li \(key)\n", ".Li \(key) ,", "fB\(key)\\fP"]
            #expect(places.contains { manual.contains($0) }, "\(key)")
        }
    }

    @Test("every link between the documents leads to a file")
    func links() throws {
        let documents =
            ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "certs/README.md", "systemd/README.md"]
            + Repository.files(below: "docs", suffix: ".md")
        for document in documents {
            guard let text = Repository.text(document) else { continue }
            let folder = document.split(separator: "/").dropLast().map(String.init)
            for match in text.matches(of: #/\]\(([^)#: ]+)(?:#[^)]*)?\)/#) {
                var parts = folder
                for part in match.output.1.split(separator: "/") {
                    if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
                }
                let target = parts.joined(separator: "/")
                let exists = Repository.text(target) != nil || !Repository.files(below: target, suffix: "").isEmpty
                #expect(exists, "\(document) links to \(target)")
            }
        }
    }
}
