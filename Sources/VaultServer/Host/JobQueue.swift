internal import Glibc
internal import SecretMemory
internal import VaultCore

/// A bounded queue in front of one thread, and that thread: the writer's, and the audit log's.
final class JobQueue<Job: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    // Every access to the state below holds the monitor.
    private var jobs: [Job] = []
    /// How much of a group's bound a job takes.
    private let weight: @Sendable (Job) -> Int
    /// Weight of the jobs waiting.
    private var waiting = 0
    private var tasks: [@Sendable () -> Void] = []
    private var isClosed = false
    private var isFinished = false
    private var turnCount: UInt64 = 0

    init(weight: @escaping @Sendable (Job) -> Int) { self.weight = weight }

    var depth: Int { locked { jobs.count } }

    var turns: UInt64 { locked { turnCount } }

    /// False where `max` jobs wait already, or more than `weightMax` together, or the queue is closed.
    func append(_ job: Job, max: Int, weightMax: Int = .max) -> Bool {
        locked {
            guard !isClosed, jobs.count < max, waiting < weightMax else { return false }
            jobs.append(job)
            waiting += weight(job)
            monitor.signal()
            return true
        }
    }

    /// Hands a task to the thread, to be run between two groups of jobs; false once the queue is closed.
    func append(_ task: @escaping @Sendable () -> Void) -> Bool {
        locked {
            guard !isClosed else { return false }
            tasks.append(task)
            monitor.signal()
            return true
        }
    }

    /// What the thread gets to do.
    struct Work {
        var jobs: [Job] = []
        /// Before the jobs.
        var tasks: [@Sendable () -> Void] = []
    }

    /// Waits for jobs or tasks, at most so long, and takes all tasks and up to `max` jobs, stopping at the one that reaches
    /// a weight; nothing after the time, `nil` once closed and drained.
    func take(max: Int, weightMax: Int, nanoseconds: UInt64) -> Work? {
        locked {
            turnCount += 1
            let deadline = Monitor.deadline(nanoseconds: nanoseconds)
            while jobs.isEmpty && tasks.isEmpty && !isClosed {
                if nanoseconds == 0 { return Work() }
                if !monitor.wait(until: deadline) { return Work() }
            }
            if jobs.isEmpty && tasks.isEmpty { return nil }
            var count = 0
            var taken = 0
            while count < min(max, jobs.count), taken < weightMax {
                taken += weight(jobs[count])
                count += 1
            }
            waiting -= taken
            let work = Work(jobs: Array(jobs.prefix(count)), tasks: tasks)
            jobs.removeFirst(count)
            tasks = []
            return work
        }
    }

    /// Starts the thread that takes from this queue; once. `body` returns true when it has finished, and false to go on
    /// from the start on another thread, after its own has ended and given up every lock.
    func startThread(_ body: @escaping @Sendable () -> Bool) { startThread(after: nil, body) }

    private func startThread(after predecessor: pthread_t?, _ body: @escaping @Sendable () -> Bool) {
        let run = { @Sendable in
            if let predecessor { pthread_join(predecessor, nil) }
            if body() {
                self.finish()
            } else {
                self.startThread(after: pthread_self(), body)
            }
        }
        let box = unsafe Unmanaged.passRetained(ThreadBody(run)).toOpaque()
        var thread = pthread_t()
        let code = unsafe pthread_create(&thread, nil, runThreadBody, box)
        precondition(code == 0, "a thread could not be started")
    }

    private func finish() {
        locked {
            isFinished = true
            monitor.broadcast()
        }
    }

    /// Refuses new jobs and waits until the thread has finished the old ones.
    func close() {
        locked {
            isClosed = true
            monitor.broadcast()
            while !isFinished { monitor.wait() }
        }
    }

    private func locked<R>(_ body: () -> R) -> R { monitor.locked(body) }
}

private final class ThreadBody {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A free function, so that it inherits no actor: C calls it on the new thread.
private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context = unsafe context {
        let body = unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
        body.run()
    }
    return nil
}
