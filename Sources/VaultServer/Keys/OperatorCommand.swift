internal import Glibc
internal import VaultCore

/// A person at the control socket, known by the Unix user.
struct Operator: Sendable {
    let uid: UInt32
    /// `name (uid)`, or the number alone where the system knows no name.
    let text: String

    init(uid: UInt32) {
        self.uid = uid
        text = Self.name(of: uid).map { "\($0) (\(uid))" } ?? String(uid)
    }

    private static func name(of uid: UInt32) -> String? {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        // The buffer outlives every use of what points into it.
        guard unsafe getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, let found = unsafe found,
            let name = unsafe found.pointee.pw_name
        else { return nil }
        return unsafe String(cString: name)
    }
}

/// A command about keys that may need a second person, in the form in which it waits for one.
enum OperatorCommand: Equatable, Sendable {
    case rotate([KeyPurpose])
    case destroy(KeyPurpose, UInt32)
    case rewrap(RewrapTarget)
    case splitShares(SharePlan)
    case refreshShares
    case seal

    /// Its name under `dual_control`.
    var kind: Configuration.DualControlled {
        switch self {
        case .rotate: .rotate
        case .destroy: .destroy
        case .rewrap: .rewrap
        case .splitShares, .refreshShares: .shares
        case .seal: .seal
        }
    }

    /// Whether its result is for the requester alone, who then comes back for it after the approval.
    var hasSecretResult: Bool {
        switch self {
        case .splitShares, .refreshShares, .rewrap(.shares): true
        default: false
        }
    }

    /// One line for the second person.
    var description: String {
        switch self {
        case .rotate(let purposes):
            "rotate the \(purposes.map { "\($0.name)" }.joined(separator: " and ")) key"
        case .destroy(let purpose, let version): "destroy \(purpose.name) key version \(version)"
        case .rewrap(let target): "wrap the keyring under a new root key: \(target.text)"
        case .splitShares(let plan): "split the root key: \(plan.description)"
        case .refreshShares: "make new shares of the root key for the same custodians"
        case .seal: "seal the vault"
        }
    }

    /// What is stored; `init(kind:argument:)` reads it back.
    var argument: String {
        switch self {
        case .rotate(let purposes): purposes.map { "\($0.name)" }.joined(separator: ",")
        case .destroy(let purpose, let version): "\(purpose.name) \(version)"
        case .rewrap(let target): target.text
        case .splitShares(let plan): plan.text
        case .refreshShares: "refresh"
        case .seal: ""
        }
    }

    init?(kind: String, argument: String) {
        switch Configuration.DualControlled(rawValue: kind) {
        case .rotate:
            let purposes = argument.split(separator: ",").compactMap { KeyPurpose(name: $0) }
            guard !purposes.isEmpty else { return nil }
            self = .rotate(purposes)
        case .destroy:
            let parts = argument.split(separator: " ")
            guard parts.count == 2, let purpose = KeyPurpose(name: parts[0]), let version = UInt32(parts[1]) else {
                return nil
            }
            self = .destroy(purpose, version)
        case .rewrap:
            guard let target = RewrapTarget(argument) else { return nil }
            self = .rewrap(target)
        case .shares:
            if argument == "refresh" {
                self = .refreshShares
            } else if let plan = SharePlan(argument) {
                self = .splitShares(plan)
            } else {
                return nil
            }
        case .seal: self = .seal
        case nil: return nil
        }
    }
}

extension KeyPurpose {
    init?(name: some StringProtocol) {
        guard let purpose = Self.allCases.first(where: { "\($0.name)" == name }) else { return nil }
        self = purpose
    }
}

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

/// How a root key is to be split: `3/5`, or with the custodians' names `3/5:anna,ben,cleo,dan,eva`.
struct SharePlan: Equatable, Sendable {
    let threshold: Int
    let count: Int
    /// One for each share, in the order of the indices; empty where they are not named.
    let custodians: [String]

    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1)
        let numbers = (parts.first ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard numbers.count == 2, let threshold = decimal(numbers[0]), let count = decimal(numbers[1]),
            threshold <= 999, count <= 999
        else { return nil }
        let names = parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : []
        self.init(threshold: threshold, count: count, custodians: names)
    }

    init?(threshold: Int, count: Int, custodians: [String]) {
        guard custodians.isEmpty || custodians.count == count, Set(custodians).count == custodians.count,
            custodians.allSatisfy(Self.isName)
        else { return nil }
        self.threshold = threshold
        self.count = count
        self.custodians = custodians
    }

    var text: String {
        "\(threshold)/\(count)" + (custodians.isEmpty ? "" : ":" + custodians.joined(separator: ","))
    }

    var description: String {
        "\(threshold) of \(count) shares"
            + (custodians.isEmpty ? "" : " for \(custodians.joined(separator: ", "))")
    }

    /// Names are stored and logged: what could be a card number is none.
    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.count(where: \.isDigit) < 12
            && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0 != "," && $0 != ":" }
    }
}

/// Text with `%41` in the place of `A`; `nil` where an escape is none, or the bytes are no UTF-8.
func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.allSatisfy({ $0.isLetterOrDigit }),
            let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
        else { return nil }
        rest = rest.dropFirst(2)
        bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
}

/// The reverse, for everything but letters, digits and `-._/`.
func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
        if byte.isLetterOrDigit || [0x2D, 0x2E, 0x5F, 0x2F].contains(byte) {
            result.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
