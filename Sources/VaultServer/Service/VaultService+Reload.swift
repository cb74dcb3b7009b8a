internal import Logging
internal import NIOCore
internal import OpenSSLCrypto
internal import OpenSSLTLS
internal import Synchronization
internal import VaultCore

// Taking up a new configuration while serving: all of it or nothing.
extension VaultService {
    /// Takes up the configuration file as it is now, all of it or nothing: a problem anywhere leaves the old one in force.
    package func reload() throws(StartupError) {
        notifier.reloading()
        defer { notifier.ready(statusLine) }
        do throws(StartupError) {
            let new: Configuration
            do throws(ConfigurationProblems) {
                new = try Configuration.loadChecked(
                    path: configuration.source.file, further: ServiceChecks.problems)
            } catch {
                throw .configuration(error.description)
            }
            let fixed = try fixedChanges(new)
            guard fixed.isEmpty else {
                throw .configuration("needs a restart to change: \(fixed.joined(separator: ", "))")
            }
            let context = try Self.makeTLS(new)
            let registry = try numbers(new)
            let policy = try Self.makePolicy(new, registry, guards)
            let settings = Settings(new, openFilesMax: openFilesMax)
            try resize(new)
            tls.replace(context)
            policyBox.replace(policy)
            guards.adopt(new, registry)
            configurationBox.withLock { $0 = new }
            operators.replace(OperatorBook(new))
            keys.adopt(new)
            audit.adopt(new.audit)
            logLevel.replace(Logger.Level(new.log.level))
            for reference in gate.all { reference.execute { $0.adopt(policy, settings, tls: context) } }
            // Whoever is told of the reload finds it in force.
            gate.pass()
            Self.logNotes(policy, logger)
            clientCertificates.keep(new.clients.map(\.name))
            metrics.reloads.add(1)
            noteReload(.configurationReload, failure: nil)
            logger.notice("configuration_reloaded")
            watchCertificates()
        } catch {
            metrics.reloadFailures.add(1)
            noteReload(.configurationReload, failure: error)
            logger.error("reload_refused", metadata: ["reason": "\(error.message)"])
            throw error
        }
    }

    /// The configuration file by its hash: what was in force when is for version control to say.
    private func noteReload(_ operation: AuditOperation, failure: StartupError?) {
        var entry = AuditEntry(operation)
        entry.add("outcome", failure == nil ? "ok" : "failed")
        if failure == nil, let hash = configurationHash { entry.add("configuration", hex: hash) }
        audit.note(entry)
    }

    /// SHA-256 of the configuration file as it is now.
    var configurationHash: [UInt8]? {
        guard let bytes = try? AtomicFile.read(configuration.source.file) else { return nil }
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        guard (try? sha256(bytes.span, into: &output)) != nil else { return nil }
        return digest
    }

    /// Numbers for the new names. Where the disk takes no writes there are none for names that are new.
    private func numbers(_ new: Configuration) throws(StartupError) -> Registry {
        if host.state == .sealed { return Self.provisionalNames(new) }
        let (registry, isWritable) = try Self.register(new, host, logger: logger, afterCrash: false)
        if isWritable, host.state == .stopped { host.setState(.writing) }
        return registry
    }

    /// What only a restart changes. The root key may change in the file without one: after a rewrap it has to.
    private func fixedChanges(_ new: Configuration) throws(StartupError) -> [String] {
        let changes = Configuration.changesRequiringRestart(from: configuration, to: new)
        guard let root = host.keyring?.root ?? keyringHeader?.root else { return changes }
        guard changes.contains("root_key") || !new.rootKey.fits(root) else { return changes }
        guard new.rootKey.fits(root) else {
            throw .configuration(
                "root_key: names '\(new.rootKey.text)', but the keyring is wrapped under a root key of kind "
                    + "'\(root.text)'")
        }
        try checkRootKey(new.rootKey)
        return changes.filter { $0 != "root_key" }
    }

    /// Whether a root key that can be read wraps the keyring: a reload must not take up one with which the next start
    /// fails.
    private func checkRootKey(_ configured: Configuration.RootKey) throws(StartupError) {
        guard let header = keyringHeader, header.root.kind != .shares else { return }
        let root = try RootSource.load(configured, for: header)
        do throws(KeyringError) {
            _ = try KeyringFile.load(from: host.files.keyring, root: root)
        } catch {
            throw .configuration("root_key: \(error.message)")
        }
    }

    private func resize(_ configuration: Configuration) throws(StartupError) {
        do throws(StoreError) {
            try host.resize(mapBytes: configuration.store.mapBytes)
        } catch {
            throw .store(error, path: host.files.database)
        }
    }

    /// Reads certificates, key, CAs and CRL again; the old ones stay where the new ones are wrong.
    package func reloadCertificates() throws(StartupError) {
        do throws(StartupError) {
            let context = try Self.makeTLS(configuration)
            tls.replace(context)
            for reference in gate.all { reference.execute { $0.reconsiderConnections(context) } }
            noteReload(.certificatesReload, failure: nil)
            logger.notice("certificates_reloaded")
            watchCertificates()
        } catch {
            metrics.reloadFailures.add(1)
            noteReload(.certificatesReload, failure: error)
            logger.error("reload_refused", metadata: ["reason": "\(error.message)"])
            throw error
        }
    }
}
