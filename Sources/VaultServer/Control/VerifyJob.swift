internal import NIOPosix
internal import VaultCore

/// `strongroom verify`: checks every record while the vault serves, and streams how far it is.
struct VerifyJob: Sendable {
    let service: VaultService

    func start(_ responder: PlainHTTPHandler.Responder) {
        responder.answer(.json(.object([("code", .string("not_found"))]), status: 404))
    }
}
