internal import Logging
internal import NIOCore
internal import OpenSSLTLS
internal import VaultCore

// A honey token was given to no client: who asks for one has it from a stolen copy, a log or a guess. The answer tells
// nothing of it, and the alarm everything.
extension HTTPConnection {
    /// Raises the alarm: these honey tokens were asked for on this connection. The record comes before that of the reveal.
    ///
    /// What can wait is said after the answer has left, so that a trap takes no longer than a miss.
    func honeyTouched(_ tokens: [UInt64]) {
        let client = currentClient?.name ?? ""
        loop.honey.note(tokens.count, by: client)
        currentClient?.guard.freeze(cause: .honey, reason: "asked for a honey token")
        var record = entry(.honey)
        record.add("outcome", "denied")
        record.add("tokens", tokens: tokens)
        loop.audit.note(record)
        let (logger, serial) = (loop.logger, identity?.serial ?? "")
        loop.loop.execute {
            logger.critical(
                "honey_token",
                metadata: [
                    "client": "\(client)", "serial": "\(serial)", "tokens": "\(tokens.count)",
                    "what": "a token that no client was given was asked for: take this client's key for stolen",
                ])
        }
    }
}
