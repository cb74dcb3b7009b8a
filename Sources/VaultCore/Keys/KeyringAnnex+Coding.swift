// How the annex lies in the keyring file: integers big-endian, texts and bytes with a 16-bit count before them, lists
// with a 16-bit count.

extension KeyringAnnex {
    /// Largest annex, in bytes: thousands of receipts and custodians.
    static let bytesMax = 1 << 20

    var encoded: [UInt8] {
        var writer = AnnexWriter()
        writer.append(UInt16(clamping: receipts.count))
        for receipt in receipts { receipt.write(to: &writer) }
        writer.append(UInt16(clamping: rotations.count))
        for note in rotations {
            writer.append(note.purpose.rawValue)
            writer.append(note.version)
            writer.append(note.reason.rawValue)
            writer.append(note.authority)
        }
        writer.append(nextPendingID)
        writer.append(UInt16(clamping: pending.count))
        for command in pending {
            writer.append(command.id)
            for text in [command.command, command.argument, command.description] { writer.append(text) }
            writer.append(command.requestedBy)
            writer.append(command.requesterName)
            writer.append(command.created)
            writer.append(command.expires)
            writer.append(command.approverName)
        }
        writer.append(UInt16(clamping: custodians.count))
        for custodian in custodians {
            writer.append(custodian.name)
            writer.append(custodian.setID)
            writer.append(custodian.index)
            for date in [custodian.since, custodian.until, custodian.acknowledged] { writer.append(date) }
            writer.append(custodian.acknowledgedBy)
        }
        // Left out where there are none: an annex from before there were any ends here too.
        if enrolments.isEmpty { return writer.bytes }
        writer.append(UInt16(clamping: enrolments.count))
        for enrolment in enrolments { enrolment.write(to: &writer) }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(KeyringError) {
        self.init()
        if bytes.isEmpty { return }
        var reader = AnnexReader(bytes)
        for _ in 0..<(try reader.integer() as UInt16) {
            receipts.append(try DestructionReceipt(&reader, after: receipts.last))
        }
        for _ in 0..<(try reader.integer() as UInt16) {
            rotations.append(
                RotationNote(
                    purpose: try reader.value(of: KeyPurpose.self), version: try reader.integer(),
                    reason: try reader.value(of: RotationReason.self), authority: try reader.authority()))
        }
        nextPendingID = try reader.integer()
        for _ in 0..<(try reader.integer() as UInt16) {
            var command = PendingCommand(
                id: try reader.integer(), command: try reader.text(), argument: try reader.text(),
                description: try reader.text(), requestedBy: try reader.integer(), requesterName: try reader.text(),
                created: try reader.integer(), expires: try reader.integer())
            command.approverName = try reader.text()
            pending.append(command)
        }
        for _ in 0..<(try reader.integer() as UInt16) {
            var custodian = Custodian(
                name: try reader.text(), setID: try reader.integer(), index: try reader.integer(),
                since: try reader.integer())
            custodian.until = try reader.integer()
            custodian.acknowledged = try reader.integer()
            custodian.acknowledgedBy = try reader.text()
            custodians.append(custodian)
        }
        if !reader.isAtEnd { try readEnrolments(&reader) }
        guard reader.isAtEnd else { throw .damaged }
    }

    private mutating func readEnrolments(_ reader: inout AnnexReader) throws(KeyringError) {
        let count: UInt16 = try reader.integer()
        guard count > 0 else { throw .damaged }
        for _ in 0..<count {
            let enrolment = try OperatorEnrolment(&reader)
            guard !enrolments.contains(where: { $0.name == enrolment.name }) else { throw .damaged }
            enrolments.append(enrolment)
        }
    }
}

struct AnnexWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) { bytes.append(bigEndian: value) }

    mutating func append(_ more: [UInt8]) {
        let part = more.prefix(Int(UInt16.max))
        append(UInt16(part.count))
        bytes += part
    }

    mutating func append(_ text: String) { append(Array(text.utf8)) }

    mutating func append(_ authority: KeyAuthority) {
        append(authority.requestedBy)
        append(authority.approvedBy)
    }
}

struct AnnexReader {
    private let source: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { source = bytes }

    var isAtEnd: Bool { position == source.count }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>() throws(KeyringError) -> Value {
        var value: Value = 0
        for byte in try take(MemoryLayout<Value>.size) { value = value << 8 | Value(byte) }
        return value
    }

    mutating func value<Value: RawRepresentable>(of: Value.Type) throws(KeyringError) -> Value
    where Value.RawValue == UInt8 {
        guard let value = Value(rawValue: try integer()) else { throw .damaged }
        return value
    }

    mutating func bytes() throws(KeyringError) -> [UInt8] {
        let count: UInt16 = try integer()
        return Array(try take(Int(count)))
    }

    mutating func text() throws(KeyringError) -> String {
        guard let text = String(validating: try bytes(), as: UTF8.self) else { throw .damaged }
        return text
    }

    mutating func authority() throws(KeyringError) -> KeyAuthority {
        KeyAuthority(requestedBy: try text(), approvedBy: try text())
    }

    private mutating func take(_ count: Int) throws(KeyringError) -> ArraySlice<UInt8> {
        guard count <= source.count - position else { throw .damaged }
        defer { position += count }
        return source[position..<position + count]
    }
}
