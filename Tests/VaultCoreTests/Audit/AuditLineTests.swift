import Testing

@testable import VaultCore

@Suite("Audit log: records")
struct AuditLineTests {
    private static let hash = String(repeating: "0a", count: 32)
    private static let head = #"{"seq":7,"time":"2026-11-28T11:22:33.123Z","boot":"0f0e","op":"detokenize","#
    private static let tail = #""chain":2,"prev":"\#(hash)","mac":"\#(hash)"}"#

    private func record(_ members: String) -> AuditLine? { AuditLine(Array((Self.head + members + Self.tail).utf8)) }

    @Test("members are read as they were written")
    func members() throws {
        let line = try #require(
            record(
                #""client":"bill\"ing\\","peer":"a\u00e9\ud83d\ude00\n","asked":3,"tokens":["991234567890","4111"],"#
                    + #""keys":[1,18446744073709551615],"none":[],"zero":0,"#))
        #expect(line.seq == 7 && line.chain == 2 && line.operation == "detokenize")
        #expect(line.time.text == "2026-11-28T11:22:33.123Z")
        #expect(line.text("client") == #"bill"ing\"#)
        #expect(line.text("peer") == "a\u{E9}\u{1F600}\n")
        #expect(line.text("asked") == nil && line.number("asked") == 3 && line.number("zero") == 0)
        #expect(line.number("client") == nil && line.number("absent") == nil)
        #expect(line.tokens("tokens") == [991_234_567_890, 4111] && line.tokens("asked") == [])
        #expect(line.texts("tokens") == ["991234567890", "4111"] && line.texts("none") == [])
        #expect(line.numbers("keys") == [1, .max])
        #expect(line.previous == [UInt8](repeating: 10, count: 32) && line.mac == line.previous)
        #expect(line.bytes.count - line.authenticatedCount == 64 + 10)
        #expect(line.members.count == 14 && line.members[5].name == "peer" && line.members[9].value == .texts([]))
    }

    @Test("anything but the one form is refused")
    func strict() {
        #expect(record("") != nil)
        for members in [
            #""client": "a","#, #""client":"a" ,"#, #""asked":03,"#, #""asked":-1,"#, #""asked":1.5,"#,
            #""asked":1e3,"#,
            #""asked":18446744073709551616,"#, #""a":true,"#, #""a":null,"#, #""a":{},"#, #""a":[[]],"#,
            #""a":["b",1],"#,
            #""a":[1,"b"],"#, #""a":[1,],"#, #""a":["b",],"#, #""client":"a","client":"a","#, #""op":"a","#,
            #""mac":"a","#,
            "\"client\":\"\u{E9}\",", "\"client\":\"\t\",", #""client":"\x","#, #""client":"\u00E9","#,
            #""client":"\/","#,
            #""client":"a,"#, #"client:"a","#, #""":"a","#, ",", #""a","#,
        ] {
            #expect(record(members) == nil, "\(members)")
        }
        let good = Self.head + Self.tail
        for text in [
            "", "{}", good + "\n", " " + good, good + "}", String(good.dropLast()),
            good.replacing("\"seq\":7", with: "\"seq\":0"), good.replacing("\"seq\":7", with: "\"seq\":\"7\""),
            good.replacing("\"chain\":2", with: "\"chain\":0"),
            good.replacing("\"chain\":2", with: "\"chain\":4294967296"),
            good.replacing("T11", with: " 11"), good.replacing("0a\"}", with: "0A\"}"),
            good.replacing("0a\"}", with: "\"}"),
            good.replacing("\"boot\"", with: "\"Boot\""), good.replacing("\"op\":\"detokenize\"", with: "\"op\":1"),
        ] {
            #expect(AuditLine(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test("no cut of a record and no flipped bit of it makes the reader fall")
    func cuts() {
        let bytes = Array((Self.head + #""a":"\u00e9\"","tokens":["99","1"],"keys":[1],"# + Self.tail).utf8)
        #expect(AuditLine(bytes) != nil)
        for length in bytes.indices { #expect(AuditLine(Array(bytes.prefix(length))) == nil) }
        for index in bytes.indices {
            for bit: UInt8 in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << bit
                guard let line = AuditLine(altered) else { continue }
                _ = line.members
            }
        }
    }

    @Test("times come back, and only real ones are taken")
    func times() {
        for text in [
            "1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2026-11-28T11:22:33.123Z",
            "2100-03-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            #expect(AuditTime(text.utf8)?.text == text)
        }
        #expect(AuditTime("2026-11-28T11:22:33.123Z".utf8)?.milliseconds == 1_795_864_953_123)
        for text in [
            "2026-11-28T11:22:33Z", "2026-13-28T11:22:33.123Z", "2026-02-29T11:22:33.123Z", "2026-11-28T24:22:33.123Z",
            "2026-11-28T11:60:33.123Z", "2026-11-28T11:22:60.123Z", "1969-11-28T11:22:33.123Z",
            "2026-11-00T11:22:33.123Z",
            "2026-11-28T11:22:33,123Z", "+026-11-28T11:22:33.123Z", "2100-02-29T00:00:00.000Z",
        ] {
            #expect(AuditTime(text.utf8) == nil, "\(text)")
        }
    }

    @Test("people type times in several ways")
    func typed() throws {
        let now = try #require(AuditTime("2026-11-28T11:22:33.123Z".utf8))
        let known = [
            "2026-11-28": "2026-11-28T00:00:00.000Z", "2026-11-28T09:05": "2026-11-28T09:05:00.000Z",
            "2026-11-28 09:05:01Z": "2026-11-28T09:05:01.000Z", "2026-11-28T09:05:01.250Z": "2026-11-28T09:05:01.250Z",
            "@0": "1970-01-01T00:00:00.000Z", "90s": "2026-11-28T11:21:03.123Z", "30m": "2026-11-28T10:52:33.123Z",
            "12h": "2026-11-27T23:22:33.123Z", "7d": "2026-11-21T11:22:33.123Z", "2w": "2026-11-14T11:22:33.123Z",
            "99999999w": "1970-01-01T00:00:00.000Z",
        ]
        for (text, moment) in known { #expect(AuditTime(typed: text, now: now)?.text == moment, "\(text)") }
        for text in [
            "", "yesterday", "7", "d", "7 d", "2026", "2026-11", "28.11.2026", "@", "@x", "@999999999999999", "-1d",
        ] {
            #expect(AuditTime(typed: text, now: now) == nil, "\(text)")
        }
    }
}
