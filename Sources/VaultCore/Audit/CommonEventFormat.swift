/// Records in ArcSight's Common Event Format, version 0, for a SIEM: `CEF:0|vendor|product|version|id|name|severity|keys`.
///
/// Only what the format has a place for is in it; the record itself has more, and is what proves.
package enum CommonEventFormat {
    /// Most bytes of a custom string, as the format's dictionary says.
    private static let customBytesMax = 4_000

    /// One event, without a newline at its end.
    package static func event(_ line: AuditLine, version: String) -> String {
        let header = [
            "Strongroom", "strongroomd", version, line.operation, title(line.operation), String(severity(line)),
        ]
        var event = "CEF:0|" + header.map(header(_:)).joined(separator: "|") + "|"
        event += keys(line).map { "\($0.0)=\(value($0.1))" }.joined(separator: " ")
        return event
    }

    private static func keys(_ line: AuditLine) -> [(String, String)] {
        var keys: [(String, String)] = [
            ("rt", String(line.time.milliseconds)), ("externalId", String(line.seq)), ("act", line.operation),
        ]
        func add(_ key: String, _ text: String?) {
            if let text { keys.append((key, text)) }
        }
        func add(_ key: String, label: String, _ text: String?) {
            guard let text, !text.isEmpty else { return }
            keys += [(key, text), ("\(key)Label", label)]
        }
        add("outcome", line.text("outcome"))
        add("reason", line.text("code"))
        add("suser", line.text("client") ?? line.text("operator"))
        // The dictionary keeps IPv6 apart; a Unix socket has no address.
        let peer = line.text("peer") ?? ""
        if peer.contains(":") {
            add("c6a2", label: "Source IPv6 Address", peer)
        } else if peer.contains(".") {
            add("src", peer)
        }
        add("cs1", label: "purpose", line.text("purpose"))
        add("cs2", label: "format", line.text("format"))
        add("cs3", label: "certificate", line.text("certificate"))
        add("cs4", label: "tokens", list(line.tokens("tokens")))
        add("cs5", label: "denied", list(line.tokens("denied")))
        add("cs6", label: "approvedBy", line.text("approved_by"))
        add("cn1", label: "asked", line.number("asked").map { String($0) })
        add("cn2", label: "missed", line.number("missed").map { String($0) })
        let count = line.tokens("tokens").count
        add("cn3", label: "tokenCount", count > 0 ? String(count) : nil)
        return keys
    }

    /// As many tokens as there is room for; the count beside them says how many there were.
    private static func list(_ tokens: [UInt64]) -> String {
        var text = ""
        for token in tokens {
            let next = text.isEmpty ? String(token) : ",\(token)"
            guard text.utf8.count + next.utf8.count <= customBytesMax else { break }
            text += next
        }
        return text
    }

    /// 0 to 10. What an operator should look at is 7 or more.
    private static func severity(_ line: AuditLine) -> Int {
        switch line.operation {
        case "honey", "chain_break": return 10
        case "client_frozen", "freeze", "log_repaired", "operator_denied", "unknown_client": return 8
        case "denied", "handshake_failed", "unfreeze", "seal", "key_destroy", "key_install": return 6
        default: break
        }
        switch line.text("outcome") {
        case "denied": return 6
        case "failed", "unknown": return 5
        default: return line.operation == "detokenize" ? 3 : 2
        }
    }

    private static func title(_ operation: String) -> String { operation.replacing("_", with: " ") }

    /// In the header a bar and a backslash are escaped; there are no line breaks.
    private static func header(_ text: String) -> String {
        escaped(text) { $0 == "|" || $0 == "\\" ? "\\\(Character($0))" : isControl($0) ? " " : nil }
    }

    /// In a value an equals sign, a backslash and line breaks are escaped; a bar is not.
    private static func value(_ text: String) -> String {
        escaped(text) { scalar in
            switch scalar {
            case "=", "\\": "\\\(Character(scalar))"
            case "\n": "\\n"
            case "\r": "\\r"
            default: isControl(scalar) ? " " : nil
            }
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || scalar.value == 0x7F }

    private static func escaped(_ text: String, _ escape: (Unicode.Scalar) -> String?) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if let replacement = escape(scalar) {
                escaped += replacement
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
