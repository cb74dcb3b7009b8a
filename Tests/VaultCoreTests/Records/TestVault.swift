import Glibc
import LMDB
import SecretMemory

@testable import VaultCore

/// A format as a test names it.
struct TestFormat {
    var name: String
    var keep = TokenFormat.Keep.last4
    var luhn = TokenFormat.LuhnRule.invalid
    var reuse = TokenFormat.Reuse.always
    var lead: String?
    var ttl: UInt32?
    /// Names; empty for any.
    var purposes: [String] = []
    var acceptLuhnInvalid = false

    static let cards = TestFormat(name: "cards")
    static let once = TestFormat(name: "once", reuse: .never)
}

/// One card to tokenize, as a test writes it.
struct Order {
    var pan: UInt64
    var format: UInt16
    var subject = ""
    var expiry: CardExpiry?
    var ttl: UInt32?
    var purposes: UInt64?
    var request: (UInt64, UInt64)?
    var olderRequest: (UInt64, UInt64)?
    /// Stores "no expiry" over an earlier one.
    var clearsExpiry = false
}

/// A vault in a directory of its own: everything the daemon has, on one thread.
final class TestVault {
    static let start: UInt32 = 1_800_000_000
    static let allFormats = UInt64.max

    let directory: TemporaryDirectory
    private(set) var keyring: Keyring
    private(set) var registry = Registry()
    private(set) var table = FormatTable([])
    private(set) var store: Store?
    private var writer: VaultWriter?
    private var reader: VaultReader?
    /// Honey tokens that the last reveal met.
    private(set) var honeyMet = 0
    private let mapBytes: Int
    private var formats: [TestFormat]
    private var purposes: [String]

    init(
        _ formats: [TestFormat] = [.cards, .once], purposes: [String] = ["charge", "refund", "fraud"],
        mapBytes: Int = 256 << 20, directory: TemporaryDirectory = TemporaryDirectory(), keyring: Keyring? = nil,
        isPrepared: Bool = false
    ) throws {
        self.directory = directory
        self.keyring = try keyring ?? Keyring.create(now: UInt64(Self.start))
        self.mapBytes = mapBytes
        self.formats = formats
        self.purposes = purposes
        try open(isPrepared: isPrepared)
    }

    /// Opens store, writer and reader, as a start of the daemon does; without a write where the names are on file.
    func open(isPrepared: Bool = false) throws {
        let store = try Store(path: directory.path, mapBytes: mapBytes, readers: 16, keyring: keyring)
        registry =
            isPrepared
            ? try store.registry()
            : try store.prepare(keyring: keyring, formats: formats.map(\.name), purposes: purposes)
        var entries: [(format: TokenFormat, purposes: UInt64)] = []
        for format in formats {
            guard let id = registry.formatID(format.name) else { continue }
            let made = try TokenFormat(
                name: format.name, id: id, keep: format.keep, luhn: format.luhn, lead: format.lead, reuse: format.reuse,
                ttlSeconds: format.ttl, purposes: format.purposes, acceptLuhnInvalid: format.acceptLuhnInvalid)
            let mask =
                format.purposes.isEmpty
                ? UInt64.max : format.purposes.reduce(0) { $0 | (registry.purposeMask($1) ?? 0) }
            entries.append((made, mask))
        }
        table = FormatTable(entries)
        writer = try VaultWriter(store: store, keyring: keyring, formats: table)
        reader = try VaultReader(store: store, keyring: keyring, formats: table)
        self.store = store
    }

    func close() {
        writer = nil
        reader = nil
        store = nil
    }

    func reopen(keyring: Keyring? = nil, formats: [TestFormat]? = nil) throws {
        close()
        if let keyring { self.keyring = keyring }
        if let formats { self.formats = formats }
        try open()
    }

    /// Takes up another keyring while the store stays open, as the daemon does at a rotation.
    func adopt(_ keyring: Keyring) throws {
        guard let store else { preconditionFailure("the vault is closed") }
        self.keyring = keyring
        writer = try VaultWriter(store: store, keyring: keyring, formats: table)
        reader = try VaultReader(store: store, keyring: keyring, formats: table)
    }

    func id(_ name: String) -> UInt16 { registry.formatID(name) ?? 0 }

    func purpose(_ names: String...) -> UInt64 { names.reduce(0) { $0 | (registry.purposeMask($1) ?? 0) } }

    // MARK: - Writing

    /// Applies one batch; its items afterwards.
    func apply(_ batches: [WriteBatch], at now: UInt32 = TestVault.start) throws(WriteFailure) {
        guard writer != nil else { preconditionFailure("the vault is closed") }
        try writer?.apply(batches, now: now)
    }

    func tokenize(_ orders: [Order], at now: UInt32 = TestVault.start) throws(WriteFailure) -> [WriteItem] {
        let batch = WriteBatch(access: Access(formats: Self.allFormats))
        for order in orders { batch.append(order) }
        try apply([batch], at: now)
        return batch.all
    }

    func tokenize(_ order: Order, at now: UInt32 = TestVault.start) throws(WriteFailure) -> WriteItem {
        try tokenize([order], at: now)[0]
    }

    func tokenize(
        _ pan: UInt64, _ format: String = "cards", subject: String = "", at now: UInt32 = TestVault.start
    ) throws(WriteFailure) -> UInt64 {
        let item = try tokenize(Order(pan: pan, format: id(format), subject: subject), at: now)
        return item.outcome == .done ? item.token : 0
    }

    func forget(
        _ tokens: [UInt64], formats: UInt64 = TestVault.allFormats, at now: UInt32 = TestVault.start
    ) throws(WriteFailure) -> [WriteOutcome] {
        let batch = WriteBatch(access: Access(formats: formats))
        for token in tokens { batch.append(forget: token) }
        try apply([batch], at: now)
        return batch.all.map(\.outcome)
    }

    func sweepRequests(at now: UInt32, limit: Int) throws { try writer?.sweepRequests(now: now, limit: limit) }

    func moveRecords(_ limit: Int) throws(WriteFailure) -> MoveSlice {
        try writer?.moveRecords(limit: limit) ?? MoveSlice()
    }

    func moveEntries(_ limit: Int) throws(WriteFailure) -> MoveSlice {
        try writer?.moveEntries(limit: limit) ?? MoveSlice()
    }

    /// Encryptions that the writer has spent and not counted yet.
    var uncounted: UInt64 { writer?.uncountedEncryptions ?? 0 }

    /// Encryptions of the active version, as the writer says.
    var encryptions: UInt64 { writer?.encryptions ?? 0 }

    // MARK: - Reading

    func reveal(
        _ tokens: [UInt64], purpose: UInt64 = .max, formats: UInt64 = TestVault.allFormats,
        at now: UInt32 = TestVault.start
    ) throws -> [Reveal] {
        var results = [Reveal](repeating: Reveal(.damaged), count: tokens.count)
        var span = results.mutableSpan
        honeyMet =
            try reader?.reveal(
                tokens.span, access: Access(formats: formats, purpose: purpose), now: now, into: &span) ?? 0
        return results
    }

    func reveal(
        _ token: UInt64, purpose: UInt64 = .max, formats: UInt64 = TestVault.allFormats,
        at now: UInt32 = TestVault.start
    ) throws -> Reveal {
        try reveal([token], purpose: purpose, formats: formats, at: now)[0]
    }

    func inspect(_ token: UInt64, formats: UInt64 = TestVault.allFormats, at now: UInt32 = TestVault.start) throws
        -> Inspection?
    {
        try reader?.inspect(token, access: Access(formats: formats), now: now) ?? nil
    }

    func find(
        _ pan: UInt64, _ format: String = "cards", subject: String = "", at now: UInt32 = TestVault.start
    ) throws -> UInt64? {
        guard let pan = PAN(digits: pan) else { return nil }
        let bytes = Array(subject.utf8)
        return try reader?.find(pan, format: id(format), subject: bytes.span, now: now) ?? nil
    }

    func fingerprint(_ pan: UInt64) throws -> [UInt8] {
        guard let pan = PAN(digits: pan) else { return [] }
        return try reader?.fingerprint(of: pan).span.copied ?? []
    }

    /// The first sixteen bytes of the keys of a request id, as the writer takes them.
    func requestKeys(_ client: String, _ id: String) throws -> (active: (UInt64, UInt64), older: (UInt64, UInt64)?) {
        let (name, request) = (Array(client.utf8), Array(id.utf8))
        guard let keys = try reader?.requestKeys(client: name.span, requestID: request.span) else {
            return ((0, 0), nil)
        }
        func halves(_ key: [32 of UInt8]) -> (UInt64, UInt64) {
            (UInt64(bigEndian: key.span, at: 0), UInt64(bigEndian: key.span, at: 8))
        }
        return (halves(keys.active), keys.older.map(halves))
    }

    /// Checks the open store.
    func verify() throws -> VerifyReport {
        guard let store else { preconditionFailure("the vault is closed") }
        var verifier = try Verifier(store: store, keyring: keyring)
        return verifier.run { _ in true }
    }
}

extension WriteBatch {
    func append(_ order: Order) {
        var item = WriteItem()
        item.format = order.format
        item.pan = order.pan
        item.panLength = UInt8(String(order.pan).utf8.count)
        if let expiry = order.expiry {
            item.setsExpiry = true
            item.expiry = expiry.packed
        }
        if order.clearsExpiry { item.setsExpiry = true }
        if let ttl = order.ttl {
            item.setsTTL = true
            item.ttl = ttl
        }
        if let purposes = order.purposes {
            item.setsPurposes = true
            item.purposes = purposes
        }
        if let request = order.request {
            item.hasRequestKey = true
            item.requestKey = request
        }
        if let older = order.olderRequest {
            item.hasOlderRequestKey = true
            item.olderRequestKey = older
        }
        let subject = Array(order.subject.utf8)
        item.subjectOffset = UInt32(text.count)
        item.subjectCount = UInt32(subject.count)
        text.append(contentsOf: subject.span)
        items.append(item)
    }

    func append(forget token: UInt64) {
        var item = WriteItem()
        item.kind = .forget
        item.token = token
        items.append(item)
    }

    var all: [WriteItem] { (0..<items.count).map { items[$0] } }
}

extension PAN {
    init?(digits: UInt64) { self.init(value: digits, length: UInt8(String(digits).utf8.count)) }
}

extension SeededRandom {
    /// A card number that passes Luhn, of 12 to 19 digits.
    mutating func pan(length: Int = 16) -> UInt64 {
        var low: UInt64 = 1
        for _ in 0..<length - 2 { low *= 10 }
        let body = UInt64.random(in: low..<low * 10, using: &self) * 10
        return (0..<10).map { body + $0 }.first { passesLuhnByDefinition($0) } ?? body
    }
}

/// A stored record, copied.
func copied(_ transaction: borrowing WriteTransaction, _ tables: Tables, _ token: UInt64) throws(LMDBError) -> [UInt8]?
{
    try transaction.get(tables.tokens, token)?.copied
}
