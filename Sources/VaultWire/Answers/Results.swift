/// The frame of a batch's answer, `{"results":[...]}`: `open`, then the items with `separator` between, then `close`.
///
/// An item is any answer of its call, or an `{"error":{"code"}}` for one that failed; the order is that of the request.
package enum Results {
    /// Bytes of the longest failed item.
    package static let errorBytesMax = #"{"error":{"code":""}}"#.utf8.count + ProblemCode.codeBytesMax

    /// Bytes of the longest answer of `items` items of at most `itemBytes` each, which may be failed ones too.
    package static func maxBytes(items: Int, itemBytes: Int) -> Int {
        #"{"results":[]}"#.utf8.count + items * (max(itemBytes, errorBytesMax) + 1)
    }

    /// Appends what comes before the first item.
    @inline(__always)
    package static func open(_ output: inout OutputRawSpan) { output.append(#"{"results":["#) }

    /// Appends what comes between two items.
    @inline(__always)
    package static func separator(_ output: inout OutputRawSpan) { output.append(",") }

    /// Appends what comes behind the last item.
    @inline(__always)
    package static func close(_ output: inout OutputRawSpan) { output.append("]}") }

    /// Appends a failed item.
    package static func append(_ problem: ProblemCode, to output: inout OutputRawSpan) {
        output.append(#"{"error":{"code":"#)
        output.append(jsonString: problem.code)
        output.append("}}")
    }
}
