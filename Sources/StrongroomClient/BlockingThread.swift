internal import NIOPosix

/// A thread for calls that block, such as reading standard input: the threads that run tasks must not.
package final class BlockingThread: Sendable {
    private let pool = NIOThreadPool(numberOfThreads: 1)

    package init() { pool.start() }

    /// Runs `body` on the thread, after what was given to it before. The thread lives as long as the process.
    package func run(_ body: @escaping @Sendable () -> Int) async -> Int {
        await withCheckedContinuation { continuation in
            pool.submit { _ in continuation.resume(returning: body()) }
        }
    }
}
