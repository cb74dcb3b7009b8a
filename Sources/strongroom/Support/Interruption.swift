import Glibc
import Synchronization

/// Signals that end a command, held back while it has something to undo: a terminal without echo, shares on the screen.
enum Interruption {
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    /// From here on such a signal is noted alone, and `check` throws it.
    static func holdBack() {
        // The atomic is made here, before a handler could ask for it.
        _ = received.load(ordering: .relaxed)
        isHolding.store(true, ordering: .relaxed)
        for number in signals {
            // The handler stores to an atomic, which is safe at any moment.
            signal(number, note)
        }
    }

    /// Holds signals back for the length of `body`, and throws where one came meanwhile.
    static func heldBack<R: ~Copyable>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
        if isHolding.exchange(true, ordering: .relaxed) { return try body() }
        holdBack()
        defer {
            isHolding.store(false, ordering: .relaxed)
            if !isThere { for number in signals { signal(number, SIG_DFL) } }
        }
        let result = try body()
        try check()
        return result
    }

    static var isThere: Bool { received.load(ordering: .relaxed) != 0 }

    /// Throws where a signal came.
    static func check() throws(Failure) {
        if isThere { throw Failure(.tryAgain, "interrupted") }
    }

    /// Ends the process by the signal that came, as its caller expects; does nothing where none came.
    static func finish() {
        let number = received.load(ordering: .relaxed)
        guard number != 0 else { return }
        signal(number, SIG_DFL)
        // To the process: this thread may be one that takes no signals.
        kill(getpid(), number)
        sleep(1)
    }

    /// Waits until a descriptor has something to read, or a signal came. Signals may go to any thread, so it looks up
    /// ten times a second.
    static func wait(for descriptor: Int32) throws(Failure) {
        while true {
            try check()
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = unsafe poll(&entry, 1, 100)
            if count > 0 { return }
            if count < 0 && errno != EINTR { throw Failure(.osError, "poll: \(systemText(errno))") }
        }
    }
}

/// Whether signals are held back.
private let isHolding = Atomic<Bool>(false)

/// The signal that came; 0 before.
private let received = Atomic<Int32>(0)

private func note(_ number: Int32) { received.store(number, ordering: .relaxed) }
