/// One section of the configuration: a value type that starts at its defaults, and the table of its options.
///
/// The table is the one description of what may be written: reading, suggestions for mistyped keys, the list of all
/// option paths (which keeps docs/strongroom.yaml complete) and the restart rules of a reload all come from it.
package protocol ConfigurationSection: Sendable, Equatable {
    /// The section with every option at its default; mandatory ones hold a placeholder that reading replaces.
    init()

    /// Every option of the section.
    static var fields: [ConfigurationField<Self>] { get }

    /// Checks options against each other, once each of them was read without a problem. `path` names the section.
    func validate(at path: String, in decoder: inout ConfigurationDecoder)
}

extension ConfigurationSection {
    /// Nothing to check beyond the single options.
    package func validate(at path: String, in decoder: inout ConfigurationDecoder) {}
}

/// What a changed option asks of a running daemon.
package enum ConfigurationReload<Value: Sendable>: Sendable {
    /// Taken over by a reload.
    case live
    /// Taken over by a restart only.
    case restart
    /// Needs a restart when going from the first value to the second meets the condition.
    case restartIf(@Sendable (Value, Value) -> Bool)
}

/// One option, or one section of options, of `Section`: a row of the table.
package struct ConfigurationField<Section: Sendable>: Sendable {
    /// The key as it is written.
    let name: String
    /// Whether the configuration must set it.
    let isRequired: Bool
    /// Reads the value into the section, reporting what is wrong with it.
    let decode: @Sendable (ConfigurationNode, String, inout Section, inout ConfigurationDecoder) -> Void
    /// The paths of the option and all below it, `*` for a name the user chooses and `[]` for a list element.
    let paths: @Sendable (String) -> [String]
    /// Adds the paths whose change between two sections needs a restart.
    let restarts: @Sendable (String, Section, Section, inout [String]) -> Void
}

extension ConfigurationField {
    /// An option with one value.
    static func value<Value: Equatable & Sendable>(
        _ name: String, _ member: ConfigurationMember<Section, Value>, _ type: ConfigurationType<Value>,
        required: Bool = false, reload: ConfigurationReload<Value> = .live
    ) -> Self {
        Self(
            name: name, isRequired: required,
            decode: { node, path, section, decoder in
                if let value = type.parse(node, path, &decoder) { section[keyPath: member] = value }
            },
            paths: { [$0] },
            restarts: { path, old, new, changes in
                let (old, new) = (old[keyPath: member], new[keyPath: member])
                let needed =
                    switch reload {
                    case .live: false
                    case .restart: old != new
                    case .restartIf(let condition): condition(old, new)
                    }
                if needed { changes.append(path) }
            })
    }

    /// A section of options.
    static func section<Inner: ConfigurationSection>(
        _ name: String, _ member: ConfigurationMember<Section, Inner>, required: Bool = false
    ) -> Self {
        Self(
            name: name, isRequired: required,
            decode: { node, path, section, decoder in
                decoder.decode(node, into: &section[keyPath: member], at: path)
            },
            paths: { path in [path] + Inner.paths(under: path) },
            restarts: { path, old, new, changes in
                for field in Inner.fields {
                    field.restarts("\(path).\(field.name)", old[keyPath: member], new[keyPath: member], &changes)
                }
            })
    }

    /// Sections under names the user chooses, kept in file order. A reload takes changes over.
    static func named<Inner: ConfigurationSection>(
        _ name: String, _ member: ConfigurationMember<Section, [Inner]>,
        key: ConfigurationMember<Inner, String>, required: Bool = false
    ) -> Self {
        Self(
            name: name, isRequired: required,
            decode: { node, path, section, decoder in
                section[keyPath: member] = decoder.decodeNamed(node, key: key, at: path)
            },
            paths: { path in [path, "\(path).*"] + Inner.paths(under: "\(path).*") },
            restarts: { _, _, _, _ in })
    }

    /// A list of sections. A reload takes changes over.
    static func list<Inner: ConfigurationSection>(
        _ name: String, _ member: ConfigurationMember<Section, [Inner]>, required: Bool = false
    ) -> Self {
        Self(
            name: name, isRequired: required,
            decode: { node, path, section, decoder in
                section[keyPath: member] = decoder.decodeList(node, at: path)
            },
            paths: { path in [path] + Inner.paths(under: "\(path)[]") },
            restarts: { _, _, _, _ in })
    }

    /// A section that names exactly one of several alternatives.
    static func oneOf<Value: Equatable & Sendable>(
        _ name: String, _ member: ConfigurationMember<Section, Value>,
        _ alternatives: [ConfigurationAlternative<Value>], required: Bool = false, needsRestart: Bool = false
    ) -> Self {
        Self(
            name: name, isRequired: required,
            decode: { node, path, section, decoder in
                if let value = decoder.decode(node, oneOf: alternatives, at: path) { section[keyPath: member] = value }
            },
            paths: { path in [path] + alternatives.flatMap { $0.paths("\(path).\($0.name)") } },
            restarts: { path, old, new, changes in
                if needsRestart && old[keyPath: member] != new[keyPath: member] { changes.append(path) }
            })
    }
}

/// One of the alternatives of a `oneOf` section.
package struct ConfigurationAlternative<Value: Sendable>: Sendable {
    let name: String
    let paths: @Sendable (String) -> [String]
    let decode: @Sendable (ConfigurationNode, String, inout ConfigurationDecoder) -> Value?

    /// An alternative with one value.
    static func value<Inner: Sendable>(
        _ name: String, _ type: ConfigurationType<Inner>, _ wrap: @escaping @Sendable (Inner) -> Value
    ) -> Self {
        Self(
            name: name, paths: { [$0] },
            decode: { node, path, decoder in type.parse(node, path, &decoder).map(wrap) })
    }

    /// An alternative that is a section of options.
    static func section<Inner: ConfigurationSection>(
        _ name: String, _: Inner.Type, _ wrap: @escaping @Sendable (Inner) -> Value
    ) -> Self {
        Self(
            name: name, paths: { path in [path] + Inner.paths(under: path) },
            decode: { node, path, decoder in
                var inner = Inner()
                return decoder.decode(node, into: &inner, at: path) ? wrap(inner) : nil
            })
    }
}

extension ConfigurationSection {
    /// The paths of every option below `path`.
    static func paths(under path: String) -> [String] {
        fields.flatMap { $0.paths(path.isEmpty ? $0.name : "\(path).\($0.name)") }
    }
}

/// A member of a section, named by a key path that may cross threads.
package typealias ConfigurationMember<Section, Value> = any WritableKeyPath<Section, Value> & Sendable
