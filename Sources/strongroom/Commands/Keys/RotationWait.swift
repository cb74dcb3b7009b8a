import Glibc

/// One key version as `/v1/keys` tells of it.
struct KeyVersionView: Equatable {
    let purpose: String
    let version: UInt64
    let state: String

    static func all(_ answer: JSONValue) -> [KeyVersionView] {
        (answer["versions"]?.items ?? []).map {
            KeyVersionView(
                purpose: $0["purpose"]?.text ?? "", version: $0["version"]?.integer ?? 0, state: $0["state"]?.text ?? ""
            )
        }
    }
}

extension KeyVersionView {
    /// Versions of one purpose next to each other, oldest first.
    static func sorted(_ versions: [JSONValue]) -> [JSONValue] {
        let order = ["data", "index", "audit"]
        func place(_ version: JSONValue) -> (Int, UInt64) {
            (order.firstIndex(of: version["purpose"]?.text ?? "") ?? order.count, version["version"]?.integer ?? 0)
        }
        return versions.sorted { place($0) < place($1) }
    }
}

/// Waits until key versions are destroyed, and for the second person before that.
struct RotationWait {
    /// What one look at the vault says.
    enum Step: Equatable {
        case waiting
        /// The request is gone, and nothing has begun.
        case withdrawn
        case done
    }

    private let endpoint: ControlEndpoint
    /// The versions that were active before.
    private let old: [KeyVersionView]
    private let pending: PendingView?
    private var reporter: JobReporter
    private let isDrawing: Bool
    /// Looks that found no request and no rotation: an approval takes a moment to become one.
    private var emptyLooks = 0
    private static let emptyLooksMax = 5

    init(endpoint: ControlEndpoint, old: [KeyVersionView], pending: PendingView?, json: Bool) {
        self.endpoint = endpoint
        self.old = old
        self.pending = pending
        // On standard error, as far as people read it: standard output has the result.
        let style = json ? JobReporter.Style.json : JobReporter.style(2, json: false)
        isDrawing = style == .bars
        reporter = JobReporter(json ? 1 : 2, style: style)
    }

    /// The receipts of the old versions.
    mutating func perform() throws(Failure) -> [JSONValue] {
        defer { reporter.clear() }
        while true {
            let (_, keys) = try endpoint.poll("/v1/keys")
            let requests = pending == nil ? [] : try Self.requests(endpoint)
            switch step(KeyVersionView.all(keys), requests) {
            case .done: return receipts(keys)
            case .withdrawn:
                throw Failure(
                    .denied,
                    "request \(pending?.id ?? 0) was rejected or has expired, or its approval failed: no key has changed"
                )
            case .waiting: break
            }
            let (text, jobs) = try endpoint.poll("/v1/jobs")
            let views = JobView.all(jobs).filter { job in old.contains { $0.purpose == job.purpose } }
            if let blocked = views.first(where: \.isBlocked) { throw JobsCommand.Watch.failure(blocked) }
            try reporter.show(views, text: text)
            usleep(isDrawing ? 300_000 : 1_000_000)
        }
    }

    /// Judges one look.
    mutating func step(_ versions: [KeyVersionView], _ requests: [UInt64]) -> Step {
        let states = old.map { key in
            versions.first { $0.purpose == key.purpose && $0.version == key.version }?.state ?? "destroyed"
        }
        if states.allSatisfy({ $0 == "destroyed" }) { return .done }
        guard let pending, states.allSatisfy({ $0 == "active" }), !requests.contains(pending.id) else {
            emptyLooks = 0
            return .waiting
        }
        emptyLooks += 1
        return emptyLooks > Self.emptyLooksMax ? .withdrawn : .waiting
    }

    private static func requests(_ endpoint: ControlEndpoint) throws(Failure) -> [UInt64] {
        (try endpoint.poll("/v1/pending").value["pending"]?.items ?? []).compactMap { $0["id"]?.integer }
    }

    private func receipts(_ keys: JSONValue) -> [JSONValue] {
        (keys["receipts"]?.items ?? []).filter { receipt in
            old.contains {
                $0.purpose == receipt["purpose"]?.text && $0.version == receipt["version"]?.integer
            }
        }
    }
}
