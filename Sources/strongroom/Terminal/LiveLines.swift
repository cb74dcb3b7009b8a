/// Lines on a terminal that are drawn anew in their place.
struct LiveLines {
    private let descriptor: Int32
    private var drawn = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Columns there are for a line.
    var width: Int { Terminal.width(of: descriptor) - 1 }

    mutating func draw(_ lines: [String]) {
        var text = back
        for line in lines { text += "\u{1B}[K\(line)\n" }
        Terminal.write(text + "\u{1B}[J", to: descriptor)
        drawn = lines.count
    }

    /// Removes them.
    mutating func clear() {
        if drawn > 0 { Terminal.write(back + "\u{1B}[J", to: descriptor) }
        drawn = 0
    }

    private var back: String { drawn > 0 ? "\r\u{1B}[\(drawn)A" : "\r" }
}
