/// What a caller may reach, as masks: decided once per request, tested per record.
package struct Access: Sendable {
    /// Bit n: records of format id n are visible; all others are a miss.
    package var formats: UInt64
    /// The bit of the purpose named in the request; 0 where the operation needs none.
    package var purpose: UInt64
    /// Bit n: records of format id n are not revealed now. They are there all the same, for everything else.
    package var frozen: UInt64

    package init(formats: UInt64, purpose: UInt64 = 0, frozen: UInt64 = 0) {
        self.formats = formats
        self.purpose = purpose
        self.frozen = frozen
    }

    @inline(__always)
    func sees(_ format: UInt16) -> Bool {
        format < 64 && formats & (1 << UInt64(format)) != 0
    }

    @inline(__always)
    func isFrozen(_ format: UInt16) -> Bool {
        format < 64 && frozen & (1 << UInt64(format)) != 0
    }
}

/// The formats of a configuration by id. Immutable; a reload makes a new one.
package final class FormatTable: Sendable {
    private let formats: [TokenFormat?]
    /// Bit n set: purpose n may be used for tokens of the format; all ones where the format allows any.
    private let purposes: [UInt64]

    package init(_ entries: [(format: TokenFormat, purposes: UInt64)]) {
        var formats = [TokenFormat?](repeating: nil, count: Registry.formatsMax)
        var purposes = [UInt64](repeating: 0, count: Registry.formatsMax)
        for entry in entries {
            formats[Int(entry.format.id)] = entry.format
            purposes[Int(entry.format.id)] = entry.purposes
        }
        self.formats = formats
        self.purposes = purposes
    }

    package subscript(_ id: UInt16) -> TokenFormat? { Int(id) < formats.count ? formats[Int(id)] : nil }

    /// Purposes that tokens of a format may be used for; none for a format that is not configured.
    package func purposes(_ id: UInt16) -> UInt64 { Int(id) < purposes.count ? purposes[Int(id)] : 0 }

    package var all: [TokenFormat] { formats.compactMap { $0 } }
}
