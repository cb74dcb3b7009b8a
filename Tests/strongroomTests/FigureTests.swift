import Testing

@testable import strongroom

@Suite("Figures for people")
struct FigureTests {
    @Test(
        "dates are those of the calendar",
        arguments: [
            (1 as UInt64, "1970-01-01 00:00:01Z"), (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_799, "2000-02-29 23:59:59Z"), (951_868_800, "2000-03-01 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"), (1_795_854_359, "2026-11-28 08:25:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"), (0, "-"),
        ])
    func moments(seconds: UInt64, text: String) { #expect(Figures.moment(seconds) == text) }

    @Test("an absurd date is no crash")
    func absurd() { #expect(!Figures.moment(.max).isEmpty) }

    @Test("colors take no room in a table")
    func tables() {
        #expect(Table.width("\u{1B}[31mred\u{1B}[0m") == 3)
        #expect(Table.width("plain") == 5)
        var table = Table(["A", "B"])
        table.add(["\u{1B}[31mred\u{1B}[0m", "x"])
        table.add(["longer", "y"])
        #expect(table.lines[1] == "  \u{1B}[31mred\u{1B}[0m     x")
        #expect(table.lines[2] == "  longer  y")
    }

    @Test("a bar is full at the end and never wider")
    func bars() {
        #expect(Figures.bar(0, width: 4) == "[....]")
        #expect(Figures.bar(0.5, width: 4) == "[##..]")
        #expect(Figures.bar(2, width: 4) == "[####]")
        #expect(Figures.bar(-1, width: 4) == "[....]")
    }

    @Test("a set of shares is shown alike, whichever way it is written")
    func sets() {
        #expect(Figures.set(.string("1a2b3c4d")) == "1a2b3c4d")
        #expect(Figures.set(.integer(255)) == "000000ff")
        #expect(Figures.set(.null) == "-")
        #expect(Figures.set(nil) == "-")
    }
}

extension FigureTests {
    @Test("what a certificate has left is days, then hours, then nothing")
    func left() {
        #expect(Figures.left(until: 90 * 86_400, now: 0) == "90 d")
        #expect(Figures.left(until: 2 * 86_400, now: 0) == "2 d")
        #expect(Figures.left(until: 2 * 86_400 - 1, now: 0) == "47 h")
        #expect(Figures.left(until: 100, now: 100) == "0 h")
        #expect(Figures.left(until: 99, now: 100) == "ENDED")
    }

    @Test("honey is shown with what came of it")
    func honey() throws {
        func lines(_ text: String) throws -> [String] {
            HoneyReport(try #require(JSONValue(Array(text.utf8)))).lines
        }
        #expect(try lines(#"{"honey":[],"complete":true,"touched":0}"#).first?.hasPrefix("there are no") == true)
        let shown = try lines(
            #"{"honey":[{"token":"991","format":"cards","created":1700000000,"expires_at":0}],"complete":false,"#
                + #""touched":2,"last_touched":1700000000,"last_client":"billing"}"#
        ).joined(separator: "\n")
        for part in ["991", "cards", "and more", "2 honey tokens asked for", "by billing", "2023-11-14"] {
            #expect(shown.contains(part), "\(part)")
        }
    }
}
