import StrongroomClient

/// Standard input in batches through a call to standard output, in order.
struct BatchRun {
    /// What a line is called: `card`, `token`.
    let noun: String
    let options: VaultOptions
    /// Lines per call.
    let batch: Int

    /// The answer to one line: what is printed, or why it failed.
    enum Answer: Sendable {
        /// Text without card numbers, for either style.
        case text(String)
        /// A card number, and what is printed in front of and behind it.
        case card(before: String, CardNumber, after: String)
        case failure(String)
        /// Counted, and nothing printed.
        case silent
    }

    /// - Parameter answer: answers a batch, one for each line.
    func perform(
        _ answer: (StrongroomClient, [InputLine]) async throws(StrongroomError) -> [Answer]
    ) async throws(Failure) {
        let client = try options.connect()
        let input = StandardInput(noun)
        let output = StandardOutput()
        let progress = Progress(noun, isShown: !options.quiet)
        defer { progress.clear() }
        var lines = InputLines(input)
        var tally = Tally()
        var printed = SecureBuffer()
        while true {
            let taken = try await lines.next(max: batch)
            if taken.isEmpty { break }
            let answers: [Answer]
            do throws(StrongroomError) {
                answers = try await answer(client, taken)
            } catch {
                progress.clear()
                throw Self.failure(error, after: tally.lines)
            }
            for answer in answers { append(answer, &tally, &printed) }
            try await output.write(&printed)
            let fraction = input.total.map { $0 == 0 ? 1 : Double(input.bytesRead) / Double($0) }
            progress.update(done: tally.lines, failed: tally.failed, fraction: fraction)
        }
        progress.clear()
        await client.shutDown()
        if !options.quiet { Terminal.complain("strongroom: " + tally.summary(noun, seconds: progress.seconds)) }
        try tally.finish()
    }

    private static func failure(_ error: StrongroomError, after lines: UInt64) -> Failure {
        let failure = Failure(error)
        if lines == 0 { return failure }
        return Failure(failure.status, "\(failure.message) (after \(Figures.count(lines, "line")))")
    }

    private func append(_ answer: Answer, _ tally: inout Tally, _ output: inout SecureBuffer) {
        switch answer {
        case .text(let text):
            tally.succeed()
            begin(tally, &output)
            output.append(text)
        case .card(let before, let number, let after):
            tally.succeed()
            begin(tally, &output)
            output.append(before)
            number.withBytes { output.append(contentsOf: $0) }
            output.append(after)
        case .failure(let code):
            tally.fail(code)
            if options.json {
                output.append(#"{"line":\#(tally.lines),"error":{"code":"\#(code)"}}"#)
            } else {
                output.append("!\(code)")
            }
        case .silent: return tally.succeed()
        }
        output.append(0x0A)
    }

    /// JSON answers begin with their line, and go on with the members that `text` has.
    private func begin(_ tally: Tally, _ output: inout SecureBuffer) {
        if options.json { output.append(#"{"line":\#(tally.lines),"#) }
    }
}

extension BatchRun {
    /// Answers every line by a call of its own, all of them at a time.
    static func each(
        _ lines: [InputLine], _ ask: @escaping @Sendable (InputLine) async throws(StrongroomError) -> Answer
    ) async throws(StrongroomError) -> [Answer] {
        let results = await withTaskGroup(of: (Int, Result<Answer, StrongroomError>).self) { group in
            for (index, line) in lines.enumerated() {
                group.addTask {
                    // In steps: Swift 6.3.1 loses the index of a tuple that is built around an `await` (optimized).
                    let result: Result<Answer, StrongroomError>
                    do throws(StrongroomError) {
                        let answer = try await ask(line)
                        result = .success(answer)
                    } catch {
                        result = .failure(error)
                    }
                    return (index, result)
                }
            }
            var results = [Result<Answer, StrongroomError>?](repeating: nil, count: lines.count)
            for await (index, result) in group { results[index] = result }
            return results
        }
        var answers: [Answer] = []
        for result in results {
            switch result {
            case .success(let answer)?: answers.append(answer)
            // A line of its own: the card is not on file, or is no card. Anything else ends the command.
            case .failure(let error)? where error.status == 404 || error.status == 422:
                answers.append(.failure(error.code.rawValue))
            case .failure(let error)?: throw error
            case nil: break
            }
        }
        return answers
    }

    /// Puts the answers for the lines that were asked about where they belong.
    static func merge(_ lines: [InputLine], invalid: String, _ answers: [Answer], asked: (InputLine) -> Bool)
        -> [Answer]
    {
        var next = answers.makeIterator()
        return lines.map { line in
            if line.isMalformed { return .failure("malformed") }
            return asked(line) ? next.next() ?? .failure("internal_error") : .failure(invalid)
        }
    }
}
