import Glibc

/// Runs a program to its end and gives back its exit status and what it printed on both outputs.
package func run(_ arguments: [String], input: String = "") -> (status: Int32, output: String) {
    let process = Subprocess(arguments)
    process.write(input)
    process.closeInput()
    let output = process.readAll()
    return (process.wait(), output)
}

/// A running program with its input and its two outputs (as one) on pipes.
package final class Subprocess {
    private var identifier: pid_t = 0
    private var input: Int32
    private let output: Int32

    /// - Parameter arguments: the program, looked up in PATH, and its arguments.
    package init(_ arguments: [String]) {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        precondition(unsafe pipe(&toChild) == 0 && pipe(&fromChild) == 0, "no pipes")
        // A child started by another test must not inherit our ends, or it would hold this one's input open.
        for descriptor in toChild + fromChild { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild[1], 2)
        var argv = unsafe arguments.map { unsafe strdup($0) } + [nil]
        // Threads of a test process may block signals, which a child would inherit: `timeout` could then not end
        // anything.
        var attributes = posix_spawnattr_t()
        var noSignals = sigset_t()
        unsafe sigemptyset(&noSignals)
        unsafe posix_spawnattr_init(&attributes)
        unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let result = unsafe posix_spawnp(&identifier, arguments[0], &actions, &attributes, &argv, environ)
        unsafe posix_spawnattr_destroy(&attributes)
        for index in unsafe argv.indices { unsafe free(argv[index]) }
        unsafe posix_spawn_file_actions_destroy(&actions)
        close(toChild[0])
        close(fromChild[1])
        input = toChild[1]
        output = fromChild[0]
        precondition(result == 0, "\(arguments[0]) could not be started: \(result)")
    }

    package func write(_ text: String) {
        signal(SIGPIPE, SIG_IGN)
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let wrote = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(input, $0.baseAddress! + done, $0.count - done)
            }
            guard wrote > 0 else { return }
            done += wrote
        }
    }

    package func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Everything printed until the program closes its outputs.
    package func readAll() -> String {
        var collected: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = unsafe read(output, &chunk, chunk.count)
            guard got > 0 else { break }
            collected.append(contentsOf: chunk[..<got])
        }
        return String(decoding: collected, as: UTF8.self)
    }

    /// The exit status, or 128 and the signal.
    package func wait() -> Int32 {
        var status: Int32 = 0
        while unsafe waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    deinit {
        closeInput()
        close(output)
    }
}
