internal import OpenSSLCrypto

/// What lies in the keyring file beside the keys, under the same authentication code and replaced in the same step:
/// receipts of destroyed keys, commands that wait for a second person, who holds a share, who gives one-time codes.
package struct KeyringAnnex: Equatable, Sendable {
    /// In the order of destruction; each names the hash of the one before.
    package var receipts: [DestructionReceipt] = []
    /// One for each retiring version.
    package var rotations: [RotationNote] = []
    package var pending: [PendingCommand] = []
    /// The id of the next pending command; ids are never used twice.
    package var nextPendingID: UInt32 = 1
    /// Every holding of a share there ever was.
    package var custodians: [Custodian] = []
    /// The operators whose one-time codes are in force, each name once.
    package var enrolments: [OperatorEnrolment] = []

    package init() {}

    /// What still waits.
    package func waiting(now: UInt64) -> [PendingCommand] { pending.filter { !$0.isExpired(now: now) } }
}

/// Why a key version was retired. The raw value is stored.
package enum RotationReason: UInt8, Sendable, CaseIterable {
    case operatorCommand = 1
    /// Its cryptoperiod ended.
    case age = 2
    /// It has done the encryptions it may do.
    case encryptions = 3
    /// The data directory was restored or copied: how often the key was used is not known.
    case restored = 4

    package var name: StaticString {
        switch self {
        case .operatorCommand: "operator"
        case .age: "age"
        case .encryptions: "encryptions"
        case .restored: "restored"
        }
    }
}

/// Who retired a version and why, kept until its receipt.
package struct RotationNote: Equatable, Sendable {
    package var purpose: KeyPurpose
    /// The retiring version.
    package var version: UInt32
    package var reason: RotationReason
    package var authority: KeyAuthority
}

/// What remains of a destroyed key version: proof of when it lived, and of who ended it.
package struct DestructionReceipt: Equatable, Sendable {
    package let purpose: KeyPurpose
    package let version: UInt32
    /// Unix seconds.
    package let created: UInt64
    package let retired: UInt64
    package let destroyed: UInt64
    /// Records or index entries that were moved to a newer version; others were forgotten before.
    package let recordsMoved: UInt64
    /// The keyring generation from which on the key is gone.
    package let generation: UInt64
    package let reason: RotationReason
    package let rotation: KeyAuthority
    package let destruction: KeyAuthority
    /// SHA-256 of this receipt and of the hash of the one before: 32 bytes.
    package private(set) var hash: [UInt8] = []

    init(
        of version: KeyVersion, destroyed: UInt64, recordsMoved: UInt64, generation: UInt64, rotation: RotationNote?,
        authority: KeyAuthority, after previous: DestructionReceipt?
    ) throws(CryptoError) {
        purpose = version.purpose
        self.version = version.number
        created = version.created
        retired = version.retired
        self.destroyed = destroyed
        self.recordsMoved = recordsMoved
        self.generation = generation
        reason = rotation?.reason ?? .operatorCommand
        self.rotation = rotation?.authority ?? authority
        destruction = authority
        hash = try computedHash(after: previous)
    }

    init(_ reader: inout AnnexReader, after previous: DestructionReceipt?) throws(KeyringError) {
        purpose = try reader.value(of: KeyPurpose.self)
        version = try reader.integer()
        created = try reader.integer()
        retired = try reader.integer()
        destroyed = try reader.integer()
        recordsMoved = try reader.integer()
        generation = try reader.integer()
        reason = try reader.value(of: RotationReason.self)
        rotation = try reader.authority()
        destruction = try reader.authority()
        do throws(CryptoError) {
            hash = try computedHash(after: previous)
        } catch {
            throw .crypto
        }
        guard try reader.bytes() == hash else { throw .damaged }
    }

    func write(to writer: inout AnnexWriter) {
        writeFields(to: &writer)
        writer.append(hash)
    }

    private func writeFields(to writer: inout AnnexWriter) {
        writer.append(purpose.rawValue)
        writer.append(version)
        for date in [created, retired, destroyed, recordsMoved, generation] { writer.append(date) }
        writer.append(reason.rawValue)
        writer.append(rotation)
        writer.append(destruction)
    }

    private func computedHash(after previous: DestructionReceipt?) throws(CryptoError) -> [UInt8] {
        var writer = AnnexWriter()
        writer.append("strongroom destruction receipt v1")
        writer.append(previous?.hash ?? [UInt8](repeating: 0, count: 32))
        writeFields(to: &writer)
        var digest = [UInt8](repeating: 0, count: 32)
        var output = digest.mutableSpan
        try sha256(writer.bytes.span, into: &output)
        return digest
    }
}

/// A command that waits for a second person.
package struct PendingCommand: Equatable, Sendable {
    package let id: UInt32
    /// The command by its name under `dual_control`.
    package let command: String
    /// What it is given, as the command takes it back when it is approved.
    package let argument: String
    /// One line for people.
    package let description: String
    /// The Unix user who asked.
    package let requestedBy: UInt32
    package let requesterName: String
    /// Unix seconds.
    package let created: UInt64
    package let expires: UInt64
    /// The Unix user who approved it, where the requester has to come back for the result; empty before.
    package var approverName = ""

    package init(
        id: UInt32, command: String, argument: String, description: String, requestedBy: UInt32,
        requesterName: String, created: UInt64, expires: UInt64
    ) {
        self.id = id
        self.command = command
        self.argument = argument
        self.description = description
        self.requestedBy = requestedBy
        self.requesterName = requesterName
        self.created = created
        self.expires = expires
    }

    package var isApproved: Bool { !approverName.isEmpty }

    package func isExpired(now: UInt64) -> Bool { now >= expires }
}

/// One holding of a share by one person.
package struct Custodian: Equatable, Sendable {
    package var name: String
    package var setID: UInt32
    package var index: UInt8
    /// Unix seconds.
    package var since: UInt64
    /// Unix seconds when the share became useless; 0 while it counts.
    package var until: UInt64 = 0
    /// Unix seconds when the holder acknowledged the duties of a custodian (PCI DSS 3.7.8); 0 before.
    package var acknowledged: UInt64 = 0
    /// The Unix user who recorded that.
    package var acknowledgedBy = ""

    package init(name: String, setID: UInt32, index: UInt8, since: UInt64) {
        self.name = name
        self.setID = setID
        self.index = index
        self.since = since
    }

    package var isCurrent: Bool { until == 0 }
}
