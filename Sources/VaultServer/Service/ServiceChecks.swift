internal import OpenSSLTLS
internal import VaultCore

/// Checks of a configuration that need the domain and TLS: whether its formats leave room for tokens, and whether its
/// certificates can serve. Part of `--check-config`, of every start and of every reload.
package enum ServiceChecks {
    /// Problems under the keys that cause them.
    package static func problems(_ configuration: Configuration) -> [ConfigurationProblem] {
        formatProblems(configuration) + certificateProblems(configuration)
    }

    /// What is sound but worth knowing: the PAN lengths that a format refuses, with the arithmetic.
    package static func notes(_ configuration: Configuration) -> [String] {
        configuration.formats.flatMap { entry -> [String] in
            guard case .success(let format) = tokenFormat(entry) else { return [] }
            return format.notes.map { "formats.\(entry.name): \($0)" }
        }
    }

    private static func formatProblems(_ configuration: Configuration) -> [ConfigurationProblem] {
        configuration.formats.flatMap { entry -> [ConfigurationProblem] in
            guard case .failure(let error) = tokenFormat(entry) else { return [] }
            return error.problems.map { problem in
                configuration.problem("formats.\(entry.name)", problem.key, problem.message)
            }
        }
    }

    private static func tokenFormat(_ entry: Configuration.Format) -> Result<TokenFormat, TokenFormatError> {
        do throws(TokenFormatError) {
            return .success(try Policy.tokenFormat(entry, id: 1))
        } catch {
            return .failure(error)
        }
    }

    /// Missing files are reported by `fileProblems` already; here it is about what is in them.
    private static func certificateProblems(_ configuration: Configuration) -> [ConfigurationProblem] {
        guard configuration.fileProblems(isFirstStart: true).isEmpty else { return [] }
        do throws(TLSConfigurationError) {
            _ = try TLSContext(configuration.tls)
            return []
        } catch {
            return [configuration.problem("tls", key(of: error.file, configuration.tls), error.description)]
        }
    }

    private static func key(of file: String, _ tls: Configuration.TLS) -> String {
        switch file {
        case tls.key.absolute: "key"
        case tls.clientCA.absolute: "client_ca"
        case tls.crl?.absolute: "crl"
        default: "certificate"
        }
    }
}

extension TLSContext {
    /// The server's context from the files that a configuration names.
    convenience init(_ files: Configuration.TLS) throws(TLSConfigurationError) {
        try self.init(
            serverCertificate: files.certificate.absolute, key: files.key.absolute,
            clientAuthorities: files.clientCA.absolute, revocations: files.crl?.absolute)
    }
}

extension Configuration {
    /// A problem at a key's place, or at its section's where the key is not written.
    fileprivate func problem(_ section: String, _ key: String, _ message: String) -> ConfigurationProblem {
        let path = "\(section).\(key)"
        let position = source.positions[path] ?? source.positions[section]
        return ConfigurationProblem(file: source.file, position: position, keyPath: path, message: message)
    }
}
