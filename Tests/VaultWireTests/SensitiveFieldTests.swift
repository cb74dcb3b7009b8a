import Testing

@testable import VaultWire

@Suite("Sensitive authentication data")
struct SensitiveFieldTests {
    static let names = [
        "cvv", "cvc", "cvc2", "cvv2", "cid", "cav2", "csc", "card_verification_value", "security_code", "track",
        "track1",
        "track2", "track_data", "magstripe", "pin", "pin_block", "CVV", "Cvc2", "card-verification-value",
        "cardVerificationValue", "SECURITY-CODE", "securityCode", "Track_2", "track-data", "trackData", "PIN",
        "pin-block",
        "PinBlock", "_cvv_", "c-v-v", "cv\\u0076", "card.cvv",
    ]

    @Test("its fields are refused with a code of their own in every request, and the value is wiped", arguments: names)
    func refused(name: String) {
        for call in Call.allCases {
            let body = call.body.dropLast() + #",""# + name + #"":"7391"}"#
            let (problem, left) = call.verdict(Array(body.utf8))
            #expect(problem == .sensitiveAuthenticationData, "\(call)")
            #expect(!String(decoding: left, as: UTF8.self).contains("7391"), "\(call)")
        }
    }

    @Test(
        "they are found wherever they stand",
        arguments: [
            #"{"cvv":"7391","pan":"1"}"#, #"{"pan":"1","name":"x","cvv":"7391"}"#,
            #"{"pan":{"number":"1","cvv":"7391"}}"#,
            #"{"cards":[{"pan":"1"},{"pan":"2","cvv":"7391"}]}"#, #"{"cards":[{"x":[[{"y":{"cvv" : 7391}}]]}]}"#,
            #"{"pan":1,"cvv":{"a":["7391",{"b":7391}]}}"#, #"{"card":{"pan":"1"},"auth":{"cvv":7391}}"#,
            #"{"cvv":"7391","x":"else","pin":"7391"}"#, #"{"cvv":"7391""#, #"{"cvv":"7391"#,
            #"{"cvv":"\u0037391\n"}"#, #"{"cvv":7391"#, #"{"cvv":[7391,"#, #"{"pan":"1","pan":"2","cvv":"7391"}"#,
        ])
    func places(body: String) {
        let (problem, left) = Call.tokenize.verdict(Array(body.utf8))
        #expect(problem == .sensitiveAuthenticationData)
        #expect(!String(decoding: left, as: UTF8.self).contains("7391"))
    }

    @Test(
        "names that only look like them are just unknown",
        arguments: [
            "pan_pin_free", "spin", "pinned", "tracking", "acid", "cvvx", "xcvv", "service", "pins_left", "cid:", "сvv",
        ])
    func lookalikes(name: String) {
        #expect(Call.tokenize.problem(#"{"pan":"1",""# + name + #"":"7391"}"#) == .malformed)
    }

    func matches(_ name: [UInt8]) -> Bool { SensitiveField.matches(name.span) }

    @Test("every name of the list is found, in capitals and with joints between all its letters")
    func wholeList() {
        for name in SensitiveField.names {
            let plain = Array(name.description.utf8)
            #expect(matches(plain), "\(name)")
            let capitals = Array(name.description.uppercased().utf8)
            #expect(matches(capitals), "\(name)")
            let joined: [UInt8] = plain.flatMap { [0x5F, $0] as [UInt8] }
            #expect(matches(joined), "\(name)")
        }
    }

    @Test("a value that only contains such a name is no such field")
    func values() {
        #expect(Call.tokenize.problem(#"{"pan":"1","reference":"cvv"}"#) == nil)
        #expect(Call.tokenize.problem(#"{"pan":"1","x":"cvv"}"#) == .malformed)
        #expect(Call.tokenize.problem(#"{"pan":"1","purposes":["pin"]}"#) == nil)
    }
}
