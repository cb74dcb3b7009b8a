internal import NIOHTTP1
internal import OpenSSLTLS
internal import SecretMemory
internal import Synchronization
internal import VaultCore
internal import VaultWire

/// `GET /livez /readyz /metrics`, on the side loop.
struct OperationsPlane: Sendable {
    let service: VaultService

    func answer(_ head: HTTPRequestHead) -> PlainAnswer {
        guard head.method == .GET || head.method == .HEAD else { return PlainAnswer(405, "GET only\n") }
        switch head.uri {
        case "/livez":
            return service.areLoopsTurning ? PlainAnswer(200, "live\n") : PlainAnswer(503, "an event loop is stuck\n")
        case "/readyz":
            if let reason = unreadyReason { return PlainAnswer(503, reason + "\n") }
            return PlainAnswer(200, "ready\n")
        case "/metrics":
            return PlainAnswer(
                200, PrometheusText.render(service), type: "text/plain; version=0.0.4; charset=utf-8")
        default: return PlainAnswer(404, "not found\n")
        }
    }

    private var unreadyReason: String? {
        if service.jobs.areCancelled { return "draining" }
        switch service.host.state {
        case .sealed: return "sealed"
        case .stopped: return "write_stopped"
        case .writing: break
        }
        // Nothing is revealed and nothing stored without a record.
        switch service.audit.state {
        case .open: return nil
        case .broken: return "audit_broken"
        case .unavailable, .closed: return "audit_unavailable"
        }
    }
}
