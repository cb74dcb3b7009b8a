import SecretMemory
import StrongroomClient
import Testing
import VaultCore
import VaultServer

@testable import strongroom

@Suite("Sheets of shares")
struct ShareSheetTests {
    /// A sheet as the vault makes it, of shares that open nothing.
    private static func bytes(threshold: Int = 2, count: Int = 3, names: [String] = ["anna", "ben", "cleo"]) throws
        -> [UInt8]
    {
        let root = try RootKey.drawn()
        let vault = try Keyring.create(now: 1).vaultID
        let split = try ShareSplit(root, threshold: threshold, count: count, vaultID: vault, since: 1)
        let sheet = split.sheet(id: 7, names)
        var bytes: [UInt8] = []
        for index in 0..<sheet.count { bytes.append(sheet.span[index]) }
        return bytes
    }

    /// What a test looks at of a sheet.
    private struct Facts {
        var ceremony = ""
        var threshold = 0
        var set = ""
        var custodians: [String] = []
        var files: [String] = []
        /// Index and set of each share, as its text says.
        var shares: [String] = []
    }

    /// Reads a sheet; nil for what is none.
    private static func read(_ bytes: [UInt8]) -> Facts? {
        var buffer = SecureBuffer()
        buffer.append(contentsOf: bytes.span)
        return facts(buffer)
    }

    private static func facts(_ bytes: consuming SecureBuffer) -> Facts? {
        guard let sheet = try? ShareSheet(bytes) else { return nil }
        var facts = Facts()
        facts.ceremony = sheet.ceremony
        facts.threshold = sheet.threshold
        facts.set = sheet.set
        for entry in sheet.entries {
            facts.custodians.append(entry.custodian)
            facts.files.append(ShareHandout.fileName(entry))
            if let share = try? ShareText.decode(sheet.text(of: entry)) {
                facts.shares.append("\(share.index) \(Share.text(ofSet: share.setID))")
            }
        }
        return facts
    }

    private static func isSheet(_ bytes: [UInt8]) -> Bool { read(bytes) != nil }

    @Test("a sheet gives back who holds which share, and each text is the share with that number")
    func reading() throws {
        let facts = try #require(Self.read(try Self.bytes()))
        #expect(facts.ceremony == "7" && facts.threshold == 2)
        #expect(facts.custodians == ["anna", "ben", "cleo"])
        #expect(facts.shares == ["1 \(facts.set)", "2 \(facts.set)", "3 \(facts.set)"])
    }

    @Test("the largest set is read too")
    func largest() throws {
        let names = (1...255).map { "\($0)" + String(repeating: "é", count: 30) }
        #expect(Self.isSheet(try Self.bytes(threshold: 255, count: 255, names: names)))
    }

    @Test("every sheet that ends early is refused")
    func truncated() throws {
        let bytes = try Self.bytes()
        for length in 0..<bytes.count { #expect(!Self.isSheet(Array(bytes[..<length])), "\(length)") }
    }

    @Test("every single wrong byte is refused, but for the ceremony's and the custodians' names")
    func corrupted() throws {
        let bytes = try Self.bytes(names: ["a", "b", "c"])
        let heads = Array("ceremony ".utf8).count
        for place in bytes.indices {
            var wrong = bytes
            wrong[place] ^= 0x41
            if Self.isSheet(wrong) {
                let isName = place > 0 && bytes[place - 1] == 0x09 && bytes[place + 1] == 0x09
                #expect(isName || place == heads, "byte \(place)")
            }
        }
    }

    @Test(
        "what is not exactly a sheet is refused",
        arguments: [
            "", "\n", "{}", "ceremony 7 2 3\n", "ceremony 7 2 3 1a2b3c4d\n", "ceremony 7 1 3 1a2b3c4d\n",
            "ceremony 7 4 3 1a2b3c4d\n", "ceremony 7 2 256 1a2b3c4d\n", "ceremony 7 02 3 1a2b3c4d\n",
            "ceremony  7 2 3 1a2b3c4d\n", "ceremony 7 2 3 1A2B3C4D\n", "Ceremony 7 2 3 1a2b3c4d\n",
        ])
    func notSheets(text: String) { #expect(!Self.isSheet(Array(text.utf8))) }

    @Test("more after the last share, or lines in another order, are refused")
    func order() throws {
        let bytes = try Self.bytes()
        #expect(!Self.isSheet(bytes + [0x0A]))
        #expect(!Self.isSheet(bytes + bytes))
        var lines = bytes.split(separator: 0x0A)
        lines.swapAt(1, 2)
        #expect(!Self.isSheet(Array(lines.joined(separator: [0x0A])) + [0x0A]))
    }

    @Test("shares of another set are not handed out under this one's name")
    func foreign() throws {
        let (mine, other) = (try Self.bytes(), try Self.bytes())
        var lines = mine.split(separator: 0x0A)
        lines[2] = other.split(separator: 0x0A)[2]
        #expect(!Self.isSheet(Array(lines.joined(separator: [0x0A])) + [0x0A]))
    }

    @Test(
        "a file's name says number and holder, and leads nowhere else",
        arguments: [
            ("anna", "share-1-anna"), ("../../x", "share-1-.._.._x"), ("a/b", "share-1-a_b"), ("é@x", "share-1-é@x"),
            ("-rf", "share-1--rf"), ("a$(b)", "share-1-a__b_"),
        ])
    func fileNames(name: String, expected: String) throws {
        let facts = try #require(Self.read(try Self.bytes(names: [name, "b", "c"])))
        #expect(facts.files.first == expected)
    }
}
