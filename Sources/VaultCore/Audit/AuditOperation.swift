/// What an audit record is about. The raw value stands in the log: none is ever renamed or reused.
package enum AuditOperation: String, Sendable, CaseIterable {
    // Calls of clients.
    case tokenize, detokenize, inspect, find, fingerprint, forget
    /// A call that was refused before it was looked at: a right, a purpose, a limit.
    case denied
    /// A certificate of the right authority that belongs to no configured client.
    case unknownClient = "unknown_client"
    /// Connections whose TLS handshake failed, counted over a second.
    case handshakeFailed = "handshake_failed"
    /// A client went past a hard limit and may do nothing until an operator lets it.
    case clientFrozen = "client_frozen"
    /// A trap was touched.
    case honey

    // The vault's own life.
    case start, stop, seal, unseal
    case configurationReload = "config_reload"
    case certificatesReload = "certs_reload"
    case keyRotate = "key_rotate"
    case keyDestroy = "key_destroy"
    case keyRewrap = "key_rewrap"
    case keyInstall = "key_install"

    // People.
    case command
    case freeze, unfreeze
    case operatorDenied = "operator_denied"
    case operatorCode = "operator_code"
    case approve, reject
    case mfaEnroll = "mfa_enroll"
    case mfaReset = "mfa_reset"
    case honeyAdd = "honey_add"

    // The log itself.
    /// How the writes of the records `first` to `last` ended.
    case outcome
    /// Cards that were looked up and recorded, and then not sent: the client was frozen meanwhile, or the answer came late.
    case withheld
    /// First of its file.
    case segment
    /// Another key of the chain begins behind this record.
    case auditKey = "audit_key"
    /// An unacknowledged end of the log that a crash tore was cut off.
    case logRepaired = "log_repaired"
    /// Records are written again, after a time in which they could not be and the vault refused to serve.
    case resumed = "audit_resumed"
    /// An operator has taken note that the log does not fit its database, and goes on.
    case chainBreak = "chain_break"
}
