/// All that outlives a restart of what the vault knows of its clients: what is frozen, and what was counted.
///
/// Freezes come first and are always whole; of counters, what fits. Nothing in it tells a card, a token or a person:
/// cards are keyed hashes.
/// ```
///  version (2)  freezes: count (2), then each: scope (1), name, Freeze
///               windows: count (2), then each: client name, four windows
///               buckets: count (2), then each: client name, cards
/// ```
package struct GuardState: Sendable {
    private static let version: UInt16 = 1

    package private(set) var freezes: [FreezeScope: Freeze] = [:]
    package private(set) var meters: [String: ClientMeter] = [:]

    /// In at most `bytesMax` bytes; nil where not even the freezes fit. Of counters, what fits: windows, then cards.
    package static func encoded(
        freezes: [FreezeScope: Freeze], meters: [String: MeterImage], bytesMax: Int
    ) -> [UInt8]? {
        var bytes = encoded(freezes)
        // Two numbers of what follows.
        guard bytes.count + 4 <= bytesMax else { return nil }
        let sorted = meters.sorted { $0.key < $1.key }
        bytes += list(sorted.map { ($0.key, $0.value.windows) }, bytesMax: bytesMax - bytes.count - 2)
        bytes += list(sorted.map { ($0.key, $0.value.buckets) }, bytesMax: bytesMax - bytes.count)
        return bytes
    }

    /// Bytes that hold so many freezes and clients, whatever the lengths of their names.
    package static func bytes(clients: Int) -> Int { (64 << 10) + clients * (4 << 10) }

    private static func encoded(_ freezes: [FreezeScope: Freeze]) -> [UInt8] {
        var writer = StateWriter()
        writer.append(version)
        writer.append(UInt16(clamping: freezes.count))
        for (scope, freeze) in freezes.sorted(by: { $0.key.text < $1.key.text }).prefix(Int(UInt16.max)) {
            scope.write(to: &writer)
            freeze.write(to: &writer)
        }
        return writer.bytes
    }

    /// Names with their bytes, as many as fit, after their number.
    private static func list(_ rows: [(name: String, bytes: [UInt8])], bytesMax: Int) -> [UInt8] {
        var (count, written): (UInt16, [UInt8]) = (0, [])
        for row in rows.prefix(Int(UInt16.max)) {
            var writer = StateWriter()
            writer.append(row.name)
            writer.append(row.bytes)
            guard 2 + written.count + writer.bytes.count <= bytesMax else { continue }
            written += writer.bytes
            count += 1
        }
        var head = StateWriter()
        head.append(count)
        return head.bytes + written
    }

    package init(decoding bytes: ArraySlice<UInt8>) throws(StateDamaged) {
        var reader = StateReader(bytes)
        guard try reader.integer() == Self.version else { throw StateDamaged() }
        for _ in 0..<(try reader.integer() as UInt16) {
            let scope = try FreezeScope(&reader)
            freezes[scope] = try Freeze(&reader)
        }
        for _ in 0..<(try reader.integer() as UInt16) {
            let name = try reader.text()
            var meter = meters[name] ?? ClientMeter()
            try meter.readWindows(&reader)
            meters[name] = meter
        }
        for _ in 0..<(try reader.integer() as UInt16) {
            let name = try reader.text()
            var meter = meters[name] ?? ClientMeter()
            try meter.readBuckets(&reader)
            meters[name] = meter
        }
        guard reader.isAtEnd else { throw StateDamaged() }
    }
}

extension FreezeScope {
    fileprivate func write(to writer: inout StateWriter) {
        switch self {
        case .all:
            writer.append(UInt8(0))
            writer.append("")
        case .client(let name):
            writer.append(UInt8(1))
            writer.append(name)
        case .format(let name):
            writer.append(UInt8(2))
            writer.append(name)
        }
    }

    fileprivate init(_ reader: inout StateReader) throws(StateDamaged) {
        let kind: UInt8 = try reader.integer()
        let name = try reader.text()
        switch kind {
        case 0: self = .all
        case 1: self = .client(name)
        case 2: self = .format(name)
        default: throw StateDamaged()
        }
    }
}
