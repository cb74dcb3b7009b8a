import StrongroomClient
import Synchronization

/// Standard input through a bulk stream to standard output: a task uploads while this one writes the answers.
struct BulkRun {
    /// What a line is called: `card`, `token`.
    let noun: String
    let options: VaultOptions
    let style: BulkAnswers.Style

    func perform(
        _ open: (StrongroomClient) async throws(StrongroomError) -> BulkStream
    ) async throws(Failure) {
        let client = try options.connect()
        let stream: BulkStream
        do throws(StrongroomError) {
            stream = try await open(client)
        } catch {
            throw Failure(error)
        }
        let input = StandardInput(noun)
        let progress = Progress(noun, isShown: !options.quiet)
        let upload = Upload(input, stream)
        let task = Task { await upload.run() }
        var answers = BulkAnswers(style)
        defer { progress.clear() }
        do throws(Failure) {
            try await download(stream, &answers, input, progress)
        } catch {
            // Why the upload failed is why everything did. A read that blocks goes on until the process ends.
            throw upload.failure ?? error
        }
        await task.value
        progress.clear()
        await client.shutDown()
        try Self.check(answers.tally, stream.summary)
        if !options.quiet {
            Terminal.complain("strongroom: " + answers.tally.summary(noun, seconds: progress.seconds))
        }
        try answers.tally.finish()
    }

    private func download(
        _ stream: BulkStream, _ answers: inout BulkAnswers, _ input: StandardInput, _ progress: Progress
    ) async throws(Failure) {
        let output = StandardOutput()
        var received = SecureBuffer()
        var printed = SecureBuffer()
        while try await Self.receive(stream, &received) {
            answers.take(received.span, into: &printed)
            try await output.write(&printed)
            let tally = answers.tally
            // What was read is at most a megabyte ahead of what was answered.
            let fraction = input.total.map { $0 == 0 ? 1 : Double(input.bytesRead) / Double($0) }
            progress.update(done: tally.lines, failed: tally.failed, fraction: fraction)
        }
    }

    private static func receive(_ stream: BulkStream, _ buffer: inout SecureBuffer) async throws(Failure) -> Bool {
        do throws(StrongroomError) {
            return try await stream.receive(into: &buffer)
        } catch {
            throw Failure(error)
        }
    }

    /// The vault counts too: a difference means that answers were lost on the way.
    private static func check(_ tally: Tally, _ summary: BulkSummary?) throws(Failure) {
        guard let summary, summary.succeeded + summary.failed == tally.lines, summary.failed == tally.failed else {
            throw Failure(.software, "the vault counted other answers than arrived; do not rely on the output")
        }
    }
}

/// The upload's half.
private final class Upload: Sendable {
    private let input: StandardInput
    private let stream: BulkStream
    private let state = Mutex<Failure?>(nil)

    init(_ input: StandardInput, _ stream: BulkStream) {
        self.input = input
        self.stream = stream
    }

    var failure: Failure? { state.withLock { $0 } }

    func run() async {
        var buffer = SecureBuffer()
        do throws(Failure) {
            while try await input.read(into: &buffer) { try await send(buffer) }
        } catch {
            state.withLock { $0 = error }
            return stream.cancel()
        }
        // A stream that has failed fails the download as well, which reports it.
        try? await stream.finish()
    }

    private func send(_ buffer: borrowing SecureBuffer) async throws(Failure) {
        do throws(StrongroomError) {
            try await stream.send(buffer.span)
        } catch {
            throw Failure(error)
        }
    }
}
