internal import VaultCore

/// Where a rewrap goes: `file:/etc/strongroom/new.key`, `credential:NAME`, `shares:3/5` or `shares:3/5:anna,ben,...`, or
/// an RFC 7512 URI such as `pkcs11:token=vault;object=root?module-path=/usr/lib/module.so&pin-source=/etc/strongroom/pin`.
enum RewrapTarget: Equatable, Sendable {
    case file(String)
    case credential(String)
    case shares(SharePlan)
    case pkcs11(Configuration.Token)

    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "file":
            guard rest.hasPrefix("/"), rest.utf8.count <= 4095 else { return nil }
            self = .file(rest)
        case "credential":
            guard !rest.isEmpty, !rest.hasPrefix("."), !rest.contains("/"), rest.utf8.count <= 255 else { return nil }
            self = .credential(rest)
        case "shares":
            guard let plan = SharePlan(rest) else { return nil }
            self = .shares(plan)
        case "pkcs11":
            guard let token = Configuration.Token(uri: rest) else { return nil }
            self = .pkcs11(token)
        default: return nil
        }
    }

    var text: String {
        switch self {
        case .file(let path): "file:\(path)"
        case .credential(let name): "credential:\(name)"
        case .shares(let plan): "shares:\(plan.text)"
        case .pkcs11(let token): "pkcs11:\(token.uri)"
        }
    }

    /// What the configuration has to name from then on; shares say it when they are in force.
    var configured: Configuration.RootKey? {
        switch self {
        case .file(let path): .file(.init(written: path, absolute: path))
        case .credential(let name): .credential(name)
        case .pkcs11(let token): .pkcs11(token)
        case .shares: nil
        }
    }

    static func configured(shares root: RootDescription) -> Configuration.RootKey? {
        guard root.kind == .shares else { return nil }
        var shares = Configuration.Shares()
        shares.threshold = Int(root.threshold)
        shares.count = Int(root.count)
        return .shares(shares)
    }

    /// The option of the configuration that goes with it.
    var option: String {
        switch self {
        case .file(let path): "root_key: {file: \(path)}"
        case .credential(let name): "root_key: {credential: \(name)}"
        case .shares(let plan): "root_key: {shares: {threshold: \(plan.threshold), count: \(plan.count)}}"
        case .pkcs11(let token):
            "root_key: {pkcs11: {module: \(token.module.absolute), token: \"\(token.token)\", key: \"\(token.key)\", "
                + "pin_file: \(token.pinFile.absolute)}}"
        }
    }
}

extension Configuration.Token {
    /// The part of an RFC 7512 URI after `pkcs11:`. All four attributes are needed; other ones are refused.
    init?(uri: String) {
        self.init()
        for pair in uri.split(whereSeparator: { $0 == ";" || $0 == "?" || $0 == "&" }) {
            guard let equals = pair.firstIndex(of: "=") else { return nil }
            guard let value = percentDecoded(pair[pair.index(after: equals)...]), !value.isEmpty else { return nil }
            let path = value.hasPrefix("file:") ? String(value.dropFirst(5)) : value
            switch pair[..<equals] {
            case "token": token = value
            case "object": key = value
            case "module-path": module = .init(written: path, absolute: path)
            case "pin-source": pinFile = .init(written: path, absolute: path)
            default: return nil
            }
        }
        guard !token.isEmpty, !key.isEmpty, module.absolute.hasPrefix("/"), pinFile.absolute.hasPrefix("/") else {
            return nil
        }
    }

    var uri: String {
        "token=\(percentEncoded(token));object=\(percentEncoded(key))?module-path=\(percentEncoded(module.absolute))"
            + "&pin-source=\(percentEncoded(pinFile.absolute))"
    }
}
