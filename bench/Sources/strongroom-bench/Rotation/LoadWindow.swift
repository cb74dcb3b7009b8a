internal import Glibc
internal import Synchronization

/// The parts of a rotation's run that are compared.
enum LoadWindow: Int, CaseIterable, Sendable {
    /// Before the first window and after the last: thrown away, but for failures.
    case outside
    case before, during, after

    static let compared: [LoadWindow] = [.before, .during, .after]

    var name: String { "\(self)" }
}

/// Knows which window it is and whether a bulk stream is running, and keeps account of the CPU time of each.
final class WindowClock: Sendable {
    /// What passed in a window, between bulk streams or beside one.
    struct Usage: Sendable {
        var seconds = 0.0
        var serverCPUSeconds = 0.0
        var ownCPUSeconds = 0.0
        /// All cores, whoever used them.
        var busySeconds = 0.0

        var serverCores: Double { serverCPUSeconds / seconds }
        var ownCores: Double { ownCPUSeconds / seconds }
        var otherCores: Double { max(0, busySeconds - serverCPUSeconds - ownCPUSeconds) / seconds }

        static func + (one: Self, other: Self) -> Self {
            Self(
                seconds: one.seconds + other.seconds, serverCPUSeconds: one.serverCPUSeconds + other.serverCPUSeconds,
                ownCPUSeconds: one.ownCPUSeconds + other.ownCPUSeconds, busySeconds: one.busySeconds + other.busySeconds
            )
        }
    }

    private struct Reading {
        let time, server, own, busy: UInt64

        init(_ process: ServerProcess) throws(BenchError) {
            busy = MachineLoad.busyNanoseconds() ?? 0
            own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) ?? 0
            server = try process.cpuNanoseconds()
            time = monotonicNanoseconds()
        }
    }

    private struct Account {
        var last: Reading
        /// By window: between streams, beside one.
        var usage = LoadWindow.allCases.map { _ in (alone: Usage(), besideStream: Usage()) }
    }

    private let server: ServerProcess
    private let current = Atomic<Int>(LoadWindow.outside.rawValue)
    private let streaming = Atomic<Bool>(false)
    private let account: Mutex<Account>

    init(_ server: ServerProcess) throws(BenchError) {
        self.server = server
        account = Mutex(Account(last: try Reading(server)))
    }

    var window: LoadWindow { LoadWindow(rawValue: current.load(ordering: .relaxed)) ?? .outside }

    var isStreaming: Bool { streaming.load(ordering: .relaxed) }

    /// What was used in a window between bulk streams, and beside one.
    func usage(_ window: LoadWindow) -> (alone: Usage, besideStream: Usage) {
        account.withLock { $0.usage[window.rawValue] }
    }

    /// A window begins, and the one before ends.
    func enter(_ window: LoadWindow) throws(BenchError) {
        try settle()
        current.store(window.rawValue, ordering: .relaxed)
    }

    /// A bulk stream begins or ends.
    func setStreaming(_ isStreaming: Bool) throws(BenchError) {
        try settle()
        streaming.store(isStreaming, ordering: .relaxed)
    }

    /// Books what passed since the last change.
    private func settle() throws(BenchError) {
        let now = try Reading(server)
        let (window, isStreaming) = (window.rawValue, isStreaming)
        account.withLock { account in
            let last = account.last
            let passed = Usage(
                seconds: Double(now.time - last.time) / 1e9,
                serverCPUSeconds: Double(now.server - last.server) / 1e9,
                ownCPUSeconds: Double(now.own - last.own) / 1e9, busySeconds: Double(now.busy - last.busy) / 1e9)
            if isStreaming {
                account.usage[window].besideStream = account.usage[window].besideStream + passed
            } else {
                account.usage[window].alone = account.usage[window].alone + passed
            }
            account.last = now
        }
    }
}
