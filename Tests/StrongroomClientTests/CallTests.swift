import StrongroomClient
import Synchronization
import TLSTestSupport
import Testing

@Suite("Calls")
struct CallTests {
    private static let tokenized =
        #"{"token":"9912345678901111","last4":"1111","bin":"41111111","brand":"visa","#
        + #""expiry":"2031-05","reference":"a\"b"}"#

    @Test("a card goes out with all its fields, and a token comes back")
    func tokenize() async throws {
        let seen = Mutex("")
        let vault = try await FakeVault.start { path, body in
            seen.withLock { $0 = path + " " + body }
            return Canned(body: Self.tokenized)
        }
        let client = try vault.client()
        var card = Card(testCard(), expiry: CardExpiry("2031-05"))
        card.subject = "Zoë \"q\" \\ \u{1}"
        card.purposes = ["charge", "refund"]
        card.ttlSeconds = 60
        card.format = "cards"
        card.reference = "a\"b"
        card.requestID = "r1"
        let answer = try await client.tokenize(card)
        #expect(answer.token.text == "9912345678901111")
        #expect(answer.brand == "visa" && answer.reference == "a\"b" && answer.expiry == CardExpiry("2031-05"))
        let expected =
            #"/v1/tokenize {"format":"cards","pan":"4111111111111111","expiry":"2031-05","#
            + #""subject":"Zoë \"q\" \\ \u0001","#
            + #""purposes":["charge","refund"],"ttl":60,"reference":"a\"b","request_id":"r1"}"#
        #expect(seen.withLock { $0 } == expected)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a batch has an answer for each card, in order, failures among them")
    func batch() async throws {
        let vault = try await FakeVault.start { _, body in
            #expect(body == #"{"format":"cards","cards":[{"pan":"4111111111111111"},{"pan":"4111111111111111"}]}"#)
            return Canned(body: #"{"results":[{"error":{"code":"invalid_pan"}},"# + Self.tokenized + "]}")
        }
        let client = try vault.client()
        let answers = try await client.tokenize([Card(testCard()), Card(testCard())], format: "cards")
        #expect(answers.count == 2)
        #expect(throws: StrongroomError.self) { try answers[0].get() }
        #expect(try answers[1].get().last4 == "1111")
        await client.shutDown()
        await vault.stop()
    }

    @Test("tokens are revealed, inspected, found and forgotten")
    func otherCalls() async throws {
        let vault = try await FakeVault.start { path, body in
            switch path {
            case "/v1/detokenize" where body.contains("tokens"):
                #expect(body == #"{"purpose":"charge","tokens":["9912345678901111","9912345678901111"]}"#)
                return Canned(
                    body: #"{"results":[{"pan":"4111111111111111"},{"error":{"code":"not_found"}}],"newer":[]}"#)
            case "/v1/detokenize":
                return Canned(body: #"{"pan":"4111111111111111","expiry":"2031-05","newer":{"x":[1,null]}}"#)
            case "/v1/inspect" where body.contains("tokens"):
                return Canned(
                    body: #"{"results":[{"format":"cards","brand":"visa","created":"2026-01-01T00:00:00Z"}]}"#)
            case "/v1/inspect":
                return Canned(
                    body:
                        #"{"format":"cards","last4":"1111","bin":"411111","brand":"visa","#
                        + #""created":"2026-01-01T00:00:00Z","purposes":["a","b"]}"#
                )
            case "/v1/find": return Canned(body: #"{"token":"9912345678901111"}"#)
            case "/v1/fingerprint": return Canned(body: #"{"fingerprint":"00ff"}"#)
            case "/v1/forget": return Canned(body: #"{"forgotten":2}"#)
            default: return Canned(status: 404)
            }
        }
        let client = try vault.client()
        let token = try #require(Token("9912345678901111"))
        let card = try await client.detokenize(token, purpose: "charge")
        #expect(text(card.number) == "4111111111111111" && card.expiry?.description == "2031-05")
        let cards = try await client.detokenize([token, token], purpose: "charge")
        #expect(text(try cards[0].get().number) == "4111111111111111")
        #expect(throws: StrongroomError.self) { try cards[1].get() }
        let shown = try await client.inspect(token)
        #expect(shown.purposes == ["a", "b"] && shown.bin == "411111" && shown.last4 == "1111")
        let masked = try await client.inspect([token])[0].get()
        #expect(masked.brand == "visa" && masked.bin == nil && masked.last4 == nil, "what the vault does not show it")
        #expect(try await client.find(testCard(), format: "cards") == token)
        #expect(try await client.fingerprint(testCard()) == "00ff")
        #expect(try await client.forget([token, token]) == 2)
        await client.shutDown()
        await vault.stop()
    }

    @Test("a problem becomes an error with its code, status and advice, and the connection lives on")
    func problem() async throws {
        let vault = try await FakeVault.start { _, _ in
            Canned(status: 503, body: #"{"code":"busy","status":503}"#, headers: [("Retry-After", "7")])
        }
        let client = try vault.client()
        for _ in 0..<3 {
            let error = await failure { _ = try await client.tokenize(Card(testCard())) }
            #expect(error?.code == .busy && error?.status == 503)
            #expect(error?.isRetryable == true && error?.retryAfterSeconds == 7)
        }
        #expect(vault.connections.total == 1)
        await client.shutDown()
        await vault.stop()
    }

    @Test(
        "an answer that makes no sense is a bad answer",
        arguments: ["", "{}", "[]", #"{"token":"12"}"#, #"{"token":9912345678901111}"#, tokenized + "x", "<html>"])
    func badAnswer(_ body: String) async throws {
        let vault = try await FakeVault.start { _, _ in Canned(body: body) }
        let client = try vault.client()
        #expect(await failure { _ = try await client.tokenize(Card(testCard())) }?.code == .badAnswer)
        await client.shutDown()
        await vault.stop()
    }

    @Test("card numbers and tokens do not print themselves")
    func silence() throws {
        let token = try #require(Token("9912345678901111"))
        for text in ["\(testCard())", String(reflecting: Card(testCard())), "\(token)", String(reflecting: token)] {
            #expect(!text.contains("41111111") && !text.contains("99123456"))
        }
        var dumped = ""
        dump(Card(testCard()), to: &dumped)
        #expect(!dumped.contains("41111111"))
    }

    @Test("endpoints and expiry dates are read strictly")
    func texts() {
        for text in ["localhost:8443", "10.0.0.1:1", "[::1]:65535", "unix:/run/x.sock"] {
            #expect(StrongroomClient.Endpoint(text)?.description == text)
        }
        for text in ["", "localhost", ":1", "a:0", "a:65536", "a:1x", "::1:80", "unix:", "a:-1", "[]:1"] {
            #expect(StrongroomClient.Endpoint(text) == nil)
        }
        for text in ["2031-13", "2031-00", "31-05", "2031-5", "2031/05", "2031-05-01", "٢٠٣١-05"] {
            #expect(CardExpiry(text) == nil)
        }
        for text in ["", "12345678901", "01234567890123", "12345678901234567890", "1234567890a23"] {
            #expect(Token(text) == nil)
        }
    }
}
