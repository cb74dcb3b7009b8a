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
        /// How long before the end of a certificate, ours, an authority's or a client's, it is warned of.
        package var warn = Duration.days(30)
        /// How long before the end of a revocation list.
        package var crlWarn = Duration.days(3)

        package init() {}

        package static let fields: [ConfigurationField<TLS>] = [
            .value("certificate", \.certificate, .path, required: true),
            .value("key", \.key, .path, required: true),
            .value("client_ca", \.clientCA, .path, required: true),
            .value("crl", \.crl, ConfigurationType.path.orNone()),
            .value("warn", \.warn, .duration(.seconds(3600) ... .days(730))),
            .value("crl_warn", \.crlWarn, .duration(.seconds(3600) ... .days(730))),
        ]
    }
}
