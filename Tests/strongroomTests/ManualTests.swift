import ArgumentParser
import Glibc
import Testing

@testable import strongroom

@Suite("The manual page and the program agree")
struct ManualTests {
    /// Every command with its subcommands, as it is typed.
    private static func commands(_ type: any ParsableCommand.Type, _ path: [String] = []) -> [String] {
        let configuration = type.configuration
        let names = path + [configuration.commandName ?? ""]
        let below = configuration.subcommands + configuration.groupedSubcommands.flatMap(\.subcommands)
        return below.isEmpty ? [names.dropFirst().joined(separator: " ")] : below.flatMap { commands($0, names) }
    }

    private static func manual() -> String {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        guard let file = unsafe fopen("\(root)/docs/man/strongroom.1", "rb") else { return "" }
        defer { _ = unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        // `fread` writes at most the bytes the array has.
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test("docs/man/strongroom.1 has every command, and one that is not there is missed")
    func commands() {
        let lines = Self.manual().split(separator: "\n")
        func isThere(_ command: String) -> Bool {
            let words = "." + "It Cm \(command)"
            return lines.contains { $0 == words || $0.hasPrefix(words + " ") }
        }
        let commands = Self.commands(StrongroomCommand.self)
        #expect(commands.count > 25)
        for command in commands where command != "jobs list" { #expect(isThere(command), "\(command)") }
        #expect(isThere("jobs"))
        #expect(!isThere("keys forge"))
    }
}
