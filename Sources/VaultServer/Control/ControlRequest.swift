internal import NIOHTTP1

/// The path and the arguments of a request to the control plane. No secret is ever in them.
struct ControlRequest: Sendable {
    let method: HTTPMethod
    let path: String
    /// Decoded arguments; each at most once.
    let query: [String: String]

    /// `nil` for what is not well formed.
    init?(_ head: HTTPRequestHead) {
        method = head.method
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        var query: [String: String] = [:]
        if parts.count > 1 {
            for pair in parts[1].split(separator: "&") {
                guard let equals = pair.firstIndex(of: "="),
                    let value = percentDecoded(pair[pair.index(after: equals)...]),
                    query.updateValue(value, forKey: String(pair[..<equals])) == nil
                else { return nil }
            }
        }
        self.query = query
    }

    /// An argument that is a decimal number.
    func number(_ name: String) -> UInt32? { query[name].flatMap { decimal($0) }.flatMap { UInt32(exactly: $0) } }
}
