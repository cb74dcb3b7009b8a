internal import Logging
internal import OpenSSLCrypto
internal import SecretMemory
internal import VaultCore

/// Shares that are made and not yet in force. The vault can still be opened as before: they count once the operator says
/// that they are out of the machine, so that an answer lost on its way costs nothing.
final class PreparedShares: Sendable {
    /// Random, so that it cannot be guessed by another operator.
    let id: UInt32
    let owner: UInt32
    let ownerText: String
    /// Unix seconds.
    let created: UInt64
    let description: RootDescription
    /// What wrapped the keyring when they were made.
    let basis: RootDescription
    /// A new root key, or `nil` for new shares of the old one.
    let newRoot: RootBox?
    let custodians: [Custodian]
    /// The lines for the custodians: `ceremony ID THRESHOLD COUNT SET`, then `INDEX<TAB>NAME<TAB>SHARE` for each.
    let sheet: SecretLines

    init(
        id: UInt32, owner: Operator, created: UInt64, description: RootDescription, basis: RootDescription,
        newRoot: RootBox?, custodians: [Custodian], sheet: consuming SecretBytes
    ) {
        self.id = id
        self.owner = owner.uid
        ownerText = owner.text
        self.created = created
        self.description = description
        self.basis = basis
        self.newRoot = newRoot
        self.custodians = custodians
        self.sheet = SecretLines(sheet)
    }
}

extension KeyManager {
    /// Seconds that made shares wait for the word that they are safe.
    private static let sharesWait: UInt64 = 900

    /// New shares of the same root key make the old ones useless; a file or credential would go on opening the vault.
    func requireShares(_ keyring: Keyring) throws(KeyFailure) {
        guard keyring.root.kind == .shares else {
            throw KeyFailure(
                409, "no_shares",
                "the root key is not in shares but of kind \(keyring.root.text): 'strongroom keys rewrap --root "
                    + "shares:M/N' makes a new one that is")
        }
    }

    /// What a refresh makes anew: as many shares for the same people.
    func currentPlan(_ keyring: Keyring) throws(KeyFailure) -> SharePlan {
        try requireShares(keyring)
        let names = keyring.annex.custodians.filter(\.isCurrent).sorted { $0.index < $1.index }.map(\.name)
        guard
            let plan = SharePlan(
                threshold: Int(keyring.root.threshold), count: Int(keyring.root.count),
                custodians: names.count == Int(keyring.root.count) ? names : [])
        else { throw KeyFailure(409, "no_shares", "the register of custodians does not fit the shares") }
        return plan
    }

    /// The holders of a plan, if it may be carried out.
    func custodians(of plan: SharePlan, _ keyring: Keyring) throws(KeyFailure) -> [String] {
        do throws(SplitError) {
            try Shamir.check(threshold: plan.threshold, count: plan.count)
        } catch {
            throw KeyFailure(422, "bad_threshold", error.message)
        }
        guard !plan.custodians.isEmpty else { return (1...plan.count).map { "custodian-\($0)" } }
        let register = keyring.annex.custodians
        for name in plan.custodians {
            let mine = register.filter { $0.name == name && $0.since >= keyring.root.since }
            if !mine.isEmpty, !mine.contains(where: \.isCurrent) {
                throw KeyFailure(
                    409, "former_custodian",
                    "\(name) held a share of this root key before and gets no other; a rewrap makes a new root key")
            }
        }
        return plan.custodians
    }

    /// Splits the root key, or a new one, and keeps all of it ready.
    func prepareShares(
        _ plan: SharePlan, newRoot: Bool, target: RewrapTarget?, for person: Operator
    ) throws(KeyFailure) -> PreparedShares {
        guard let keyring = host.keyring else { throw .sealed }
        let names = try custodians(of: plan, keyring)
        let now = UInt64(WallClock.seconds)
        let fresh = newRoot ? RootBox(try Self.drawnRoot()) : nil
        let prepared = try withRoot { (current) throws(KeyFailure) in
            if let fresh {
                return try Self.split(fresh.key, fresh, plan, names, keyring, since: now, now, person)
            }
            return try Self.split(current, nil, plan, names, keyring, since: keyring.root.since, now, person)
        }
        preparedShares = prepared
        logger.notice(
            "shares_made",
            metadata: [
                "root": "\(prepared.description.text)", "set": "\(Share.text(ofSet: prepared.description.setID))",
            ]
        )
        return prepared
    }

    private static func drawnRoot() throws(KeyFailure) -> RootKey {
        do throws(RootKeyError) {
            return try RootKey.drawn()
        } catch {
            throw KeyFailure(503, "random_failed", error.message)
        }
    }

    private static func split(
        _ root: borrowing RootKey, _ newRoot: RootBox?, _ plan: SharePlan, _ names: [String], _ keyring: Keyring,
        since: UInt64, _ now: UInt64, _ person: Operator
    ) throws(KeyFailure) -> PreparedShares {
        do throws(SplitError) {
            let split = try ShareSplit(root, plan, vaultID: keyring.vaultID, since: since)
            var random = RandomPool()
            let id = UInt32(truncatingIfNeeded: random.next())
            let custodians = names.enumerated().map { position, name in
                Custodian(name: name, setID: split.description.setID, index: UInt8(position + 1), since: now)
            }
            return PreparedShares(
                id: id, owner: person, created: now, description: split.description, basis: keyring.root,
                newRoot: newRoot,
                custodians: custodians, sheet: split.sheet(id: id, names))
        } catch {
            throw KeyFailure(422, "split_failed", error.message)
        }
    }

    /// The shares are out: from now on they open the vault, and what opened it before does not.
    func commitShares(_ id: UInt32, by person: Operator) throws(KeyFailure) -> JSONText {
        let prepared = try preparedShares(id, of: person)
        guard let keyring = host.keyring else { throw .sealed }
        guard keyring.root == prepared.basis else {
            preparedShares = nil
            throw KeyFailure(409, "root_key_changed", "the root key was changed since these shares were made")
        }
        let now = UInt64(WallClock.seconds)
        let next = keyring.rewrapped(prepared.description) { annex in
            annex.endCustodians(at: now)
            annex.custodians += prepared.custodians
        }
        if let newRoot = prepared.newRoot {
            try install(next, rewrappedUnder: newRoot)
        } else {
            try install(next)
        }
        preparedShares = nil
        if let configured = RewrapTarget.configured(shares: next.root) { onRootChanged(configured) }
        let set = Share.text(ofSet: prepared.description.setID)
        logger.notice(
            "shares_in_force",
            metadata: ["root": "\(next.root.text)", "set": "\(set)", "by": "\(person.text)"])
        let root = next.root
        return .object([
            ("committed", .string(root.text)), ("set", .string(set)), ("generation", .number(next.generation)),
            (
                "configure",
                .string("root_key: {shares: {threshold: \(root.threshold), count: \(root.count)}}")
            ),
        ])
    }

    func cancelShares(_ id: UInt32, by person: Operator) throws(KeyFailure) -> JSONText {
        _ = try preparedShares(id, of: person)
        preparedShares = nil
        return .object([("cancelled", .bool(true))])
    }

    /// One answer for what is not there and for what is another's.
    private func preparedShares(_ id: UInt32, of person: Operator) throws(KeyFailure) -> PreparedShares {
        guard let prepared = preparedShares, prepared.id == id, prepared.owner == person.uid else {
            throw KeyFailure(404, "no_such_ceremony", "no shares of yours wait to be put in force")
        }
        return prepared
    }

    func expirePreparedShares(_ now: UInt64) {
        guard let prepared = preparedShares, now >= prepared.created + Self.sharesWait else { return }
        preparedShares = nil
        logger.notice("shares_expired", metadata: ["set": "\(Share.text(ofSet: prepared.description.setID))"])
    }

    /// A custodian says to know the duties.
    func acknowledge(_ name: String, by person: Operator) throws(KeyFailure) -> JSONText {
        guard let keyring = host.keyring else { throw .sealed }
        guard keyring.annex.custodians.contains(where: { $0.name == name && $0.isCurrent }) else {
            throw KeyFailure(404, "no_such_custodian", "no custodian of that name holds a share")
        }
        let now = UInt64(WallClock.seconds)
        try install(
            keyring.annotated { annex in
                for index in annex.custodians.indices
                where annex.custodians[index].name == name && annex.custodians[index].isCurrent {
                    annex.custodians[index].acknowledged = now
                    annex.custodians[index].acknowledgedBy = person.text
                }
            })
        logger.notice("custodian_acknowledged", metadata: ["custodian": "\(name)", "by": "\(person.text)"])
        return .object([("acknowledged", .string(name))])
    }
}
