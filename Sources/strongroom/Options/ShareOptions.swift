import ArgumentParser

/// Who gets new shares, and how.
struct ShareOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who holds a share, once for each share in the order of their numbers (default: custodian-1, ...).",
            valueName: "name"))
    var custodian: [String] = []

    @OptionGroup var output: ShareOutput

    var isEmpty: Bool { custodian.isEmpty && output.outputDir == nil }

    func handout() throws(Failure) -> ShareHandout { try output.handout() }

    /// One name for each share, and none twice.
    func validate(count: Int) throws(ValidationError) {
        if let problem = CustodianNames.problem(custodian, count: count) { throw ValidationError(problem) }
    }

    func validate(json: Bool) throws(ValidationError) { try output.validate(json: json) }
}

/// Where shares go.
struct ShareOutput: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Make a file of mode 0600 for each share here, instead of showing them one at a time.",
            valueName: "directory"))
    var outputDir: String?

    func handout() throws(Failure) -> ShareHandout { try ShareHandout(directory: outputDir) }

    /// Shares are no JSON, and do not go where JSON is expected.
    func validate(json: Bool) throws(ValidationError) {
        guard !json || outputDir != nil else {
            throw ValidationError("--json goes with --output-dir: shares are no JSON")
        }
    }
}

/// The names of those who hold shares.
enum CustodianNames {
    /// What is wrong with them; nil where nothing is. None at all are as good as names that count up.
    static func problem(_ names: [String], count: Int) -> String? {
        if names.isEmpty { return nil }
        if let name = names.first(where: { !ShareSheet.isName($0) }) {
            return "--custodian '\(name)': a name has up to \(ShareSheet.nameBytesMax) bytes, without blanks, "
                + "commas and colons"
        }
        if Set(names).count < names.count { return "--custodian: one name is given twice; nobody holds two shares" }
        guard names.count == count else {
            return "--custodian: \(Figures.count(names.count, "name")) for \(Figures.count(count, "share"))"
        }
        return nil
    }

    /// `custodian-1`, `custodian-2`, ... where nobody is named.
    static func filled(_ names: [String], count: Int) -> [String] {
        names.isEmpty ? (0..<count).map { "custodian-\($0 + 1)" } : names
    }
}
