import Glibc
import Testing

@testable import VaultServer

@Suite("Configuration: the file, and the files it names")
struct ConfigurationFileTests {
    /// A directory with everything the example names.
    private func prepared() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try directory.makeDirectory("certs")
        try directory.write("x", to: "certs/server.crt", mode: 0o644)
        try directory.write("x", to: "certs/server.key")
        try directory.write("x", to: "certs/ca.crt", mode: 0o644)
        try directory.write("x", to: "root.key", mode: 0o400)
        try directory.write(exampleYAML, to: "strongroom.yaml", mode: 0o644)
        return directory
    }

    /// The problems of all checks, without the directory's path.
    private func checked(_ directory: TemporaryDirectory, isFirstStart: Bool = false) -> [String] {
        do throws(ConfigurationProblems) {
            _ = try Configuration.loadChecked(path: "\(directory.path)/strongroom.yaml", isFirstStart: isFirstStart)
            return []
        } catch {
            return error.problems.map { $0.description.replacing("\(directory.path)/", with: "") }
        }
    }

    /// What `load` says about a file of `bytes`.
    private func loading(_ bytes: [UInt8]) throws -> [String] {
        let directory = try TemporaryDirectory()
        try directory.write(bytes, to: "strongroom.yaml")
        do throws(ConfigurationProblems) {
            _ = try Configuration.load(path: "\(directory.path)/strongroom.yaml")
            return []
        } catch {
            return error.problems.map { $0.description.replacing("\(directory.path)/", with: "") }
        }
    }

    @Test("a complete installation has no problems")
    func complete() throws {
        let directory = try prepared()
        #expect(checked(directory) == [])
        let configuration = try Configuration.load(path: "\(directory.path)/strongroom.yaml")
        #expect(configuration.data.absolute == "\(directory.path)/data")
        #expect(configuration.source.directory == directory.path)
    }

    @Test("what is missing, open to others or of the wrong kind stands at the key that names it")
    func files() throws {
        let directory = try prepared()
        try directory.write("x", to: "certs/server.key", mode: 0o640)
        try directory.write("x", to: "root.key", mode: 0o604)
        try directory.write("x", to: "data")
        try directory.makeDirectory("run")
        try directory.write("x", to: "run/control.sock")
        try directory.write(
            exampleYAML.replacing("certs/ca.crt", with: "certs/none.crt, crl: certs")
                + "\ncontrol: {group: no-such-group}",
            to: "strongroom.yaml", mode: 0o602)
        #expect(
            checked(directory) == [
                "strongroom.yaml: anyone can change it; run chmod o-w",
                "strongroom.yaml:1:1: data: data is not a directory",
                "strongroom.yaml:5:3: listen.control: run/control.sock exists and is not a socket",
                "strongroom.yaml:7:38: tls.key: certs/server.key is open to others (mode 0640); run chmod 600",
                "strongroom.yaml:7:61: tls.client_ca: certs/none.crt: No such file or directory",
                "strongroom.yaml:7:88: tls.crl: certs is not a regular file",
                "strongroom.yaml:8:12: root_key.file: root.key is open to others (mode 0604); run chmod 600",
                "strongroom.yaml:16:11: control.group: there is no group 'no-such-group'",
            ])
    }

    @Test("a missing root key is accepted on the first start alone")
    func firstStart() throws {
        let directory = try prepared()
        try directory.write(
            exampleYAML.replacing("file: root.key", with: "file: secret/root.key"), to: "strongroom.yaml")
        #expect(checked(directory, isFirstStart: true) == [])
        #expect(
            checked(directory) == ["strongroom.yaml:8:12: root_key.file: secret/root.key: No such file or directory"])
    }

    @Test("a socket path of 107 bytes fits, of 108 does not")
    func socketPaths() throws {
        let directory = try prepared()
        for (length, fits) in [(107, true), (108, false)] {
            let name = String(repeating: "s", count: length - directory.path.utf8.count - 1)
            try directory.write(exampleYAML.replacing("run/vault.sock", with: name), to: "strongroom.yaml")
            let found = checked(directory)
            #expect(found.isEmpty == fits)
            if !fits {
                let problem = try #require(found.first)
                #expect(problem.hasSuffix("has 108 bytes; a socket path has at most 107"))
                #expect(problem.hasPrefix("strongroom.yaml:4:3: listen.unix: "))
            }
        }
    }

    @Test("problems of the text and of the files come in one report")
    func together() throws {
        let directory = try prepared()
        try directory.write("x", to: "root.key", mode: 0o644)
        try directory.write(
            exampleYAML.replacing("keep", with: "kep").replacing("default_format", with: "default_fromat"),
            to: "strongroom.yaml")
        #expect(
            checked(directory) == [
                "strongroom.yaml:8:12: root_key.file: root.key is open to others (mode 0644); run chmod 600",
                "strongroom.yaml:10:11: formats.cards.kep: unknown key, did you mean 'keep'?",
                "strongroom.yaml:11:1: default_fromat: unknown key, did you mean 'default_format'?",
            ])
    }

    @Test("an unreadable key is found", .disabled(if: geteuid() == 0, "the superuser reads everything"))
    func unreadable() throws {
        let directory = try prepared()
        try directory.write("x", to: "certs/server.key", mode: 0o000)
        #expect(checked(directory) == ["strongroom.yaml:7:38: tls.key: certs/server.key: Permission denied"])
    }

    @Test("a file that is missing, a directory or a pipe is told, without waiting")
    func kinds() throws {
        let directory = try TemporaryDirectory()
        #expect(checked(directory) == ["strongroom.yaml: cannot be opened: No such file or directory"])
        try directory.makeDirectory("strongroom.yaml")
        #expect(checked(directory) == ["strongroom.yaml: is not a regular file"])
        let other = try TemporaryDirectory()
        try other.write("", to: "strongroom.yaml")
        try #require(unsafe unlink("\(other.path)/strongroom.yaml") == 0)
        try #require(unsafe mkfifo("\(other.path)/strongroom.yaml", 0o600) == 0)
        #expect(checked(other) == ["strongroom.yaml: is not a regular file"])
    }

    @Test("a file over 1 MiB is refused, one of 1 MiB is read")
    func size() throws {
        let text = Array(minimalYAML.utf8)
        let padding = [UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) - text.count)
        #expect(try loading(text + padding) == [])
        #expect(try loading(text + padding + [0x23]) == ["strongroom.yaml: is larger than 1MiB"])
    }

    @Test(
        "bytes that are not plain UTF-8 text are refused at their place",
        arguments: [
            ([0xFF], "2:4: is not UTF-8 text"), ([0xC0, 0x80], "2:4: is not UTF-8 text"),
            ([0xED, 0xA0, 0x80], "2:4: is not UTF-8 text"), ([0xC3], "2:4: is not UTF-8 text"),
            ([0x00], "2:4: holds a control character"), ([0x1B], "2:4: holds a control character"),
            ([0xC2, 0x85], "2:4: holds a control character"),
        ] as [([UInt8], String)])
    func encoding(bytes: [UInt8], problem: String) throws {
        #expect(try loading(Array("a: é\n# é".utf8) + bytes + Array("\n".utf8)) == ["strongroom.yaml:\(problem)"])
    }

    @Test("a byte order mark is named")
    func byteOrderMark() throws {
        #expect(
            try loading([0xEF, 0xBB, 0xBF] + Array(minimalYAML.utf8)) == [
                "strongroom.yaml:1:1: begins with a byte order mark; save the file as plain UTF-8"
            ])
    }

    @Test("every cut and every changed byte of the example is read or refused, never a trap")
    func mutations() {
        let bytes = Array(exampleYAML.utf8)
        for length in stride(from: 0, to: bytes.count, by: 7) {
            _ = problems(String(decoding: bytes[..<length], as: UTF8.self))
        }
        for index in stride(from: 0, to: bytes.count, by: 3) {
            for replacement in [0x09, 0x0A, 0x22, 0x26, 0x2A, 0x3A, 0x7B, 0x5D, 0x21] as [UInt8] {
                var changed = bytes
                changed[index] = replacement
                _ = problems(String(decoding: changed, as: UTF8.self))
            }
        }
    }
}
