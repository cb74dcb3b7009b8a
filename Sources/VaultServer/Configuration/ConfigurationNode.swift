/// One value of a configuration file with its place: the plain tree the decoder reads.
///
/// It knows scalars, sections and lists. What else YAML offers (anchors, tags, merge keys, several documents)
/// was refused when the tree was made, so nothing below has to think of it.
package struct ConfigurationNode: Sendable {
    /// What stands there.
    package enum Content: Sendable {
        /// A scalar: its text, and whether quotes (or a block style) say that it is text and nothing else.
        case scalar(String, isQuoted: Bool)
        /// A section, keys in file order; a key may occur twice, which the decoder reports.
        case section([Entry])
        /// A list.
        case list([ConfigurationNode])
    }

    /// One `key: value` of a section.
    package struct Entry: Sendable {
        /// The key's text.
        package var key: String
        /// Where the key stands.
        package var position: ConfigurationPosition
        /// What it is set to.
        package var value: ConfigurationNode
    }

    /// What stands there.
    package var content: Content
    /// Where it begins.
    package var position: ConfigurationPosition

    /// Whether nothing is written there (`key:`, `key: ~`, `key: null`).
    package var isEmpty: Bool {
        guard case .scalar(let text, isQuoted: false) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// What stands there, for an error: `a section`, `a list`, `nothing`, `true`, a number or `text`.
    package var kind: String {
        switch content {
        case .section: return "a section"
        case .list: return "a list"
        case .scalar(let text, let isQuoted):
            if isEmpty { return "nothing" }
            return isQuoted || text.utf8.count > 40 ? "text" : "'\(text)'"
        }
    }
}
