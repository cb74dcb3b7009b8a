import Testing

@testable import strongroom

@Suite("What is asked of the control socket, and what its answers mean")
struct ControlTests {
    @Test(
        "everything but letters, digits and -._~ is percent-encoded",
        arguments: [
            ("data", "data"), ("a-b.c_d~e", "a-b.c_d~e"), ("file:/etc/a b", "file%3A%2Fetc%2Fa%20b"),
            ("%41", "%2541"), ("a&b=c?d#e+f", "a%26b%3Dc%3Fd%23e%2Bf"), ("Zoë", "Zo%C3%AB"), ("\r\n", "%0D%0A"),
            ("", ""),
        ])
    func encoding(text: String, encoded: String) { #expect(ControlTarget.encoded(text) == encoded) }

    @Test("several values of one argument have plain commas between, and commas within are encoded")
    func query() {
        let target = ControlTarget("/v1/shares/split", [("threshold", ["2"]), ("custodians", ["anna", "b,c"])])
        #expect(target.text == "/v1/shares/split?threshold=2&custodians=anna,b%2Cc")
        #expect(("/v1/keys" as ControlTarget).text == "/v1/keys")
    }

    @Test(
        "each refusal ends the program with its own status",
        arguments: [
            (403, "own_request", strongroom.ExitStatus.denied), (404, "not_found", .unavailable),
            (404, "", .unavailable),
            (404, "no_such_request", .dataError), (409, "version_active", .dataError),
            (409, "rotation_under_way", .tryAgain), (409, "busy", .tryAgain), (422, "share_mistyped", .dataError),
            (422, "refused", .configuration), (429, "too_many_pending", .tryAgain), (503, "sealed", .tryAgain),
            (503, "keyring_failed", .unavailable), (507, "storage_full", .tryAgain),
            (507, "keyring_full", .unavailable),
            (500, "", .unavailable), (400, "malformed", .dataError),
        ])
    func refusals(status: Int, code: String, expected: strongroom.ExitStatus) {
        #expect(ControlRefusal(status: status, code: code, title: "").exitStatus == expected)
    }

    @Test("200 and 202 are no refusals; a refusal without a title still says something")
    func accepted() throws {
        #expect(ControlRefusal(status: 200, .null) == nil)
        #expect(ControlRefusal(status: 202, .null) == nil)
        #expect(try #require(ControlRefusal(status: 418, nil)).title == "the vault answered 418")
        let value = JSONValue(Array(#"{"code":"c","title":"t"}"#.utf8))
        #expect(ControlRefusal(status: 409, value) == ControlRefusal(status: 409, code: "c", title: "t"))
    }

    @Test("JSON is written back as it was read")
    func json() throws {
        let text = #"{"a":[1,null,true],"b":{"c":"d\"\u000a"}}"#
        #expect(try #require(JSONValue(Array(text.utf8))).json == text)
    }

    @Test("a key version is a purpose and a number, or a number", arguments: [["data", "1"], ["1"]])
    func keyNames(words: [String]) throws {
        let key = try #require(KeyName(words))
        #expect(key.purpose == "data" && key.version == 1)
    }

    @Test(
        "anything else names no key version",
        arguments: [[], ["0"], ["-1"], ["+1"], ["1", "data"], ["x", "1"], ["data", "1", "2"], ["4294967296"], ["١"]])
    func noKeyNames(words: [String]) { #expect(KeyName(words) == nil) }

    @Test("the target of a rewrap is told by its kind")
    func rootTargets() {
        #expect(RootTarget("file:a") == .file("a"))
        #expect(RootTarget("shares:3/5") == .shares(threshold: 3, count: 5))
        #expect(RootTarget("credential:root") == .other)
        #expect(RootTarget("pkcs11:token=a;object=b") == .other)
        for text in ["", "file", "file:", "shares:3", "shares:3/5/6", "shares:+3/5", "shares:3/5:anna", "x:y"] {
            #expect(RootTarget(text) == nil, "\(text)")
        }
    }

    @Test("custodians are as many different names as shares, or none")
    func custodians() {
        #expect(CustodianNames.problem([], count: 3) == nil)
        #expect(CustodianNames.problem(["a", "b", "c"], count: 3) == nil)
        for names in [
            ["a"], ["a", "b", "b"], ["a", "b", "c d"], ["a", "b", "c,d"], ["a", "b", ""], ["a", "b", "c:d"],
        ] {
            #expect(CustodianNames.problem(names, count: 3) != nil, "\(names)")
        }
        #expect(CustodianNames.filled([], count: 2) == ["custodian-1", "custodian-2"])
    }
}
