import Testing

@testable import VaultServer

@Suite("docs/strongroom.yaml")
struct ConfigurationDocumentTests {
    let text: String

    init() throws {
        text = String(
            decoding: try readSmallFile("\(packageDirectory)/docs/strongroom.yaml", bytesMax: 1 << 20), as: UTF8.self)
    }

    @Test("names every option of the schema, and no other")
    func complete() throws {
        var problems: [ConfigurationProblem] = []
        let tree = try #require(ConfigurationNode.parse(yaml: uncommented, file: "all", problems: &problems))
        #expect(problems == [])
        var named = Set<String>()
        collect(tree, "", into: &named)
        let known = Set(Configuration.optionPaths)
        #expect(known.subtracting(named) == [], "options the document leaves out")
        #expect(named.subtracting(known) == [], "options the document makes up")
        #expect(known.count == Configuration.optionPaths.count, "an option path occurs twice in the schema")
    }

    @Test("as it stands it is the default configuration")
    func defaults() throws {
        let documented = try configuration(text)
        let minimal = try configuration(
            """
            data: /var/lib/strongroom
            listen: {tcp: 127.0.0.1:8443}
            tls:
              certificate: /etc/strongroom/tls/server.crt
              key: /etc/strongroom/tls/server.key
              client_ca: /etc/strongroom/tls/ca.crt
            root_key: {file: /etc/strongroom/root.key}
            formats: {cards: }
            """)
        #expect(documented == minimal)
    }

    @Test("shows only values that are accepted, also where they are commented out")
    func commentedValues() {
        let complaints = problems(uncommented)
        #expect(complaints.count == 3, "only the four kinds of root key exclude each other: \(complaints)")
        #expect(
            complaints.allSatisfy {
                $0.contains(": root_key: set only one of 'file', 'credential', 'shares', 'pkcs11'")
            })
    }

    @Test("explains every option: a comment stands above each group of keys")
    func explained() {
        var previousIsComment = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let trimmed = line.drop { $0 == " " }
            // A long list goes on in the next line.
            let isOption = trimmed.contains(":") && !trimmed.hasPrefix("# ")
            let isNested = trimmed.hasPrefix("#  ")
            if isOption && !isNested { #expect(previousIsComment, "nothing explains '\(line)'") }
            previousIsComment = trimmed.hasPrefix("# ")
            #expect(line.utf8.count <= 120)
        }
    }

    /// The document with the `#` taken away before every option: one followed by a key or by two spaces or more.
    private var uncommented: String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard let hash = line.firstIndex(of: "#"), line[..<hash].allSatisfy({ $0 == " " }) else {
                return String(line)
            }
            let rest = line[line.index(after: hash)...]
            let isOption = rest.hasPrefix("  ") || (rest.first.map { $0.isLetter } ?? false)
            return isOption ? String(line[..<hash]) + rest : String(line)
        }.joined(separator: "\n")
    }

    /// Adds the schema's path of every key in the tree: `*` for chosen names, `[]` for list elements.
    private func collect(_ node: ConfigurationNode, _ path: String, into paths: inout Set<String>) {
        switch node.content {
        case .scalar:
            break
        case .section(let entries):
            for entry in entries {
                let name = path == "formats" ? "*" : entry.key
                let child = path.isEmpty ? name : "\(path).\(name)"
                paths.insert(child)
                collect(entry.value, child, into: &paths)
            }
        case .list(let elements):
            for element in elements { collect(element, "\(path)[]", into: &paths) }
        }
    }
}
