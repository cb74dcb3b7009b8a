/// An answer that failed as a whole, `application/problem+json` (RFC 9457): `{"type","title","status","code"}`.
///
/// It is the same for every request with this code: nothing of the request can be in it.
package enum ProblemAnswer {
    /// The media type of the answer.
    package static let mediaType: StaticString = "application/problem+json"

    /// Bytes of the longest answer.
    package static let maxBytes =
        #"{"type":"urn:problem-type:strongroom:","title":"","status":000,"code":""}"#.utf8.count
        + 2 * ProblemCode.codeBytesMax + ProblemCode.titleBytesMax

    /// Appends the answer.
    package static func append(_ problem: ProblemCode, to output: inout OutputRawSpan) {
        output.append(#"{"type":"urn:problem-type:strongroom:"#)
        output.append(problem.code)
        output.append(#"","title":"#)
        output.append(jsonString: problem.title)
        output.append(#","status":"#)
        output.appendDecimal(UInt64(problem.status))
        output.append(#","code":"#)
        output.append(jsonString: problem.code)
        output.append("}")
    }
}
