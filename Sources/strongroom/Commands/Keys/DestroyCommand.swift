import ArgumentParser

struct DestroyCommand: FailingCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy", abstract: "Destroy a key version that nothing lies under any more.",
        discussion: """
            A rotation does this by itself. It is refused for an active version and for one with records. The vault \
            looks at every entry before the key is gone; then a receipt remains.

              strongroom keys destroy data 1        the same as: strongroom keys destroy 1
            """)

    @Argument(
        help: ArgumentHelp("The purpose (data where it is left out), and the version.", valueName: "purpose-version"))
    var words: [String] = []

    @Flag(help: "The vault's own JSON.")
    var json = false

    @OptionGroup var place: ControlPlace

    func validate() throws {
        guard KeyName(words) != nil else {
            throw ValidationError("which key? Give a version, or 'data' or 'index' and a version")
        }
    }

    func perform() async throws(Failure) {
        guard let key = KeyName(words) else { throw Failure(.usage, "which key?") }
        let (text, value) = try place.endpoint().call(
            "POST", ControlTarget("/v1/keys/destroy", [("purpose", [key.purpose]), ("version", ["\(key.version)"])]))
        if json { return try Terminal.print(text) }
        for line in CommandResult(value).lines { try Terminal.print(line) }
    }
}

/// A key version as it is written on the command line.
struct KeyName: Equatable {
    let purpose: String
    let version: UInt32

    /// `data 1`, `index 2`, or `1` for a data key; nil for anything else.
    init?(_ words: [String]) {
        guard (1...2).contains(words.count), let last = words.last,
            last.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let version = UInt32(last), version > 0
        else { return nil }
        purpose = words.count == 2 ? words[0] : "data"
        guard ["data", "index", "audit"].contains(purpose) else { return nil }
        self.version = version
    }
}
