extension Configuration {
    /// The server's certificate and the authority that signs the clients'. The files are PEM; a reload reads them anew.
    package struct TLS: ConfigurationSection {
        /// The server's certificate, followed by any intermediate ones. Mandatory.
        package var certificate = Path.unset
        /// Its private key, readable by the daemon's user alone. Mandatory.
        package var key = Path.unset
        /// The only authority whose client certificates are accepted. Mandatory.
        package var clientCA = Path.unset
        /// Revoked client certificates; nil accepts every certificate the authority signed.
        package var crl: Path?

        package init() {}

        package static let fields: [ConfigurationField<TLS>] = [
            .value("certificate", \.certificate, .path, required: true),
            .value("key", \.key, .path, required: true),
            .value("client_ca", \.clientCA, .path, required: true),
            .value("crl", \.crl, ConfigurationType.path.orNone()),
        ]
    }
}
