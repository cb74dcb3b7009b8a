import Testing

@testable import VaultWire

@Suite("Problem codes")
struct ProblemCodeTests {
    @Test("codes are unique, short, and read back")
    func codes() {
        var seen: Set<String> = []
        for code in ProblemCode.allCases {
            let name = code.code.description
            #expect(seen.insert(name).inserted)
            #expect(name.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F })
            #expect(ProblemCode(code: Array(name.utf8).span) == code)
            #expect((400...599).contains(code.status))
            #expect(code.title.description.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C })
        }
        #expect(ProblemCode(code: Array("".utf8).span) == nil)
        #expect(ProblemCode(code: Array("malformedx".utf8).span) == nil)
    }

    @Test("the bounds are those of the longest texts")
    func bounds() {
        #expect(ProblemCode.allCases.map(\.code.utf8CodeUnitCount).max() == ProblemCode.codeBytesMax)
        #expect(ProblemCode.allCases.map(\.title.utf8CodeUnitCount).max() == ProblemCode.titleBytesMax)
    }

    @Test(
        "codes and statuses are those of the contract",
        arguments: [
            (400, "malformed"), (401, "unknown_client"), (403, "denied"), (403, "purpose_denied"), (404, "not_found"),
            (409, "dual_control"), (413, "too_large"), (415, "unsupported_media_type"), (422, "invalid_pan"),
            (422, "invalid_token"), (422, "invalid_expiry"), (422, "sensitive_authentication_data"), (429, "throttled"),
            (503, "sealed"), (503, "frozen"), (503, "busy"), (503, "audit_unavailable"), (503, "outcome_unknown"),
            (503, "write_stopped"), (507, "storage_full"), (507, "bucket_full"),
        ])
    func contract(status: Int, code: String) {
        let text = Array(code.utf8)
        let problem = ProblemCode(code: text.span)
        #expect(problem.map { Int($0.status) } == status)
    }
}
