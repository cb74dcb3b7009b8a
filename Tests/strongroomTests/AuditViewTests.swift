import Testing

@testable import strongroom

@Suite("The audit log in status")
struct AuditViewTests {
    private func view(_ json: String) throws -> AuditView {
        AuditView(try #require(JSONValue(Array(json.utf8))), now: 1_000)
    }

    @Test("an open log is one line: how long it is, and how far it is signed")
    func open() throws {
        let view = try view(
            #"{"state":"open","reason":"","records":1234,"stalled_seconds":0,"lost":0,"checkpoint":{"records":1200,"time":940},"destinations":{"file":""}}"#
        )
        #expect(view.isOpen)
        #expect(view.lines == ["  audit log: 1,234 records, signed up to 1,200 60 s ago"])
    }

    @Test("one that cannot be written is an alarm with its reason")
    func unavailable() throws {
        let view = try view(
            #"{"state":"unavailable","reason":"fdatasync: Input/output error","records":5,"stalled_seconds":3.5,"lost":2,"checkpoint":{"records":0,"time":0},"destinations":{"syslog":"sendto: refused"}}"#
        )
        #expect(!view.isOpen)
        #expect(view.lines.count == 5)
        #expect(view.lines[0].contains("unavailable: fdatasync: Input/output error"))
        #expect(view.lines[2].contains("not answered for 3 s"))
        #expect(view.lines[3].contains("checkpoints do not reach 'syslog': sendto: refused"))
        #expect(view.lines[4].contains("2 records"))
    }

    @Test("a sealed vault has no log, and no alarm for that")
    func closed() throws {
        #expect(try view(#"{"state":"closed","records":0}"#).lines.isEmpty)
    }
}
