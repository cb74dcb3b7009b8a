internal import Glibc
package import Logging
internal import Synchronization
internal import VaultWire

/// Log lines on standard error, for journald: `<priority>event key=value ...`, or one JSON object a line.
///
/// Only event names and metadata that the code chose are logged; request bytes never reach a logger. Values are cleaned of
/// control characters, so that no one can forge a line.
package struct LogOutput: LogHandler {
    package var metadata: Logger.Metadata = [:]
    private let isJSON: Bool
    private let level: LogLevelBox

    package init(level: LogLevelBox, isJSON: Bool) {
        self.level = level
        self.isJSON = isJSON
    }

    /// The level in force for every logger of the process: a reload changes it.
    package var logLevel: Logger.Level {
        get { level.current }
        set { level.replace(newValue) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        var line = ""
        if isJSON {
            line =
                "{\"time\":\"\(Self.time())\",\"level\":\"\(event.level.rawValue)\",\"event\":\"\(Self.clean("\(event.message)"))\""
            for (key, value) in all { line += ",\"\(Self.clean(key))\":\"\(Self.clean("\(value)"))\"" }
            line += "}\n"
        } else {
            line = "<\(Self.priority(event.level))>\(Self.clean("\(event.message)"))"
            for (key, value) in all { line += " \(Self.clean(key))=\"\(Self.clean("\(value)"))\"" }
            line += "\n"
        }
        let bytes = Array(line.utf8)
        _ = unsafe write(2, bytes, bytes.count)
    }

    private static func clean(_ text: String) -> String {
        var cleaned = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": cleaned += "'"
            case "\\": cleaned += "/"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): cleaned += "?"
            default: cleaned.unicodeScalars.append(scalar)
            }
        }
        return cleaned
    }

    /// The level as syslog numbers it.
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private static func time() -> String {
        let now = Timestamp(seconds: UInt64(WallClock.seconds)).civil
        func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(now.year)-\(two(now.month))-\(two(now.day))T\(two(now.hour)):\(two(now.minute)):\(two(now.second))Z"
    }
}

/// The log level of the process.
package final class LogLevelBox: Sendable {
    private let level: Mutex<Logger.Level>
    package init(_ level: Logger.Level) { self.level = Mutex(level) }
    package var current: Logger.Level { level.withLock { $0 } }
    package func replace(_ new: Logger.Level) { level.withLock { $0 = new } }
}
