/// A named rule for making tokens, from the configuration; checked when made, so that a value of this type is always sound.
///
/// Thread rule: immutable, any thread.
package struct TokenFormat: Sendable, Equatable {
    /// Which digits of the card number a token repeats. The raw values are the words of the configuration.
    package enum Keep: String, Sendable, CaseIterable {
        case last4
        case bin6Last4 = "bin6+last4"
        case bin8Last4 = "bin8+last4"
        case none

        /// How many leading digits of the card number are kept: 0, 6 or 8.
        package var binDigits: Int {
            switch self {
            case .last4, .none: 0
            case .bin6Last4: 6
            case .bin8Last4: 8
            }
        }

        /// How many trailing digits of the card number are kept: 0 or 4.
        package var lastDigits: Int { self == .none ? 0 : 4 }
    }

    /// What the Luhn check says of the tokens. The raw values are the words of the configuration.
    package enum LuhnRule: String, Sendable, CaseIterable {
        /// Every token fails, so none can be a card number of an issuer that uses the check.
        case invalid
        /// Every token passes, for receivers that insist.
        case valid
        /// No rule.
        case any
    }

    /// Whether the same card and subject gets the same token again. The raw values are the words of the configuration.
    package enum Reuse: String, Sendable, CaseIterable {
        case always
        case never
    }

    /// The name in requests, the configuration and metrics: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    package let name: String
    /// The number that records carry in place of the name; 1 to 65,535, never given to another format of the vault.
    package let id: UInt16
    /// Which digits of the card number a token repeats.
    package let keep: Keep
    /// What the Luhn check says of the tokens.
    package let luhn: LuhnRule
    /// The digits every token begins with when no BIN is kept; may be empty. Always empty when a BIN is kept.
    package let lead: Lead
    /// Whether the same card and subject gets the same token again.
    package let reuse: Reuse
    /// The longest life of a token, in seconds; nil is without end. A request may ask for less.
    package let ttlSeconds: UInt32?
    /// What a token of this format may ever be used for; empty means anything.
    package let purposes: [String]
    /// True when card numbers that fail the Luhn check are taken.
    package let acceptLuhnInvalid: Bool
    /// The card number lengths whose buckets are big enough; never empty.
    package let allowedLengths: PANLengths

    /// The lead that applies where a BIN is not kept and none is given: `99` is in no assigned issuer range.
    package static let defaultLead = "99"
    /// The longest `ttl`: 100 years of 365.25 days, in seconds.
    package static let ttlSecondsMax: UInt32 = 3_155_760_000
    /// The most purposes of one format.
    package static let purposesMax = 32

    /// Checks every setting and reports all problems at once.
    ///
    /// - Parameters:
    ///   - lead: nil takes `defaultLead` where no BIN is kept. Giving one where a BIN is kept is a problem.
    ///   - ttlSeconds: nil is without end; 0 is a problem.
    /// - Throws: `TokenFormatError` with one problem for each setting that is wrong, each naming its key.
    package init(
        name: String, id: UInt16, keep: Keep = .last4, luhn: LuhnRule = .invalid, lead: String? = nil,
        reuse: Reuse = .always, ttlSeconds: UInt32? = nil, purposes: [String] = [], acceptLuhnInvalid: Bool = false
    ) throws(TokenFormatError) {
        var problems: [TokenFormatError.Problem] = []
        func report(_ key: String, _ message: String) {
            problems.append(TokenFormatError.Problem(key: key, message: message))
        }

        if !Self.isName(name) {
            report("name", "a format name is 1 to 64 of a-z A-Z 0-9 . _ -")
        }
        if id == 0 {
            report("id", "a format id is 1 to 65535")
        }
        if let ttlSeconds, !(1...Self.ttlSecondsMax ~= ttlSeconds) {
            report("ttl", "a ttl is 1 second to 100 years; leave it out for tokens without end")
        }
        if purposes.count > Self.purposesMax {
            report("purposes", "at most \(Self.purposesMax) purposes a format")
        }
        for (index, purpose) in purposes.enumerated() {
            if !Self.isName(purpose) {
                report("purposes", "purpose \(index + 1) is not 1 to 64 of a-z A-Z 0-9 . _ -")
            } else if purposes[..<index].contains(purpose) {
                report("purposes", "purpose \(purpose) is listed twice")
            }
        }

        self.name = name
        self.id = id
        self.keep = keep
        self.luhn = luhn
        self.reuse = reuse
        self.ttlSeconds = ttlSeconds
        self.purposes = purposes
        self.acceptLuhnInvalid = acceptLuhnInvalid

        var allowed: PANLengths = []
        if keep.binDigits > 0, lead != nil {
            report("lead", "keep \(keep.rawValue) begins tokens with the card's own digits; lead is for last4 and none")
            self.lead = .empty
        } else if let lead = Lead(keep.binDigits > 0 ? "" : lead ?? Self.defaultLead) {
            self.lead = lead
            let capacities = Digits.lengths.map { BucketCapacity(name, keep: keep, luhn: luhn, lead: lead, length: $0) }
            for capacity in capacities where capacity.isAllowed {
                allowed.insert(PANLengths(capacity.length))
            }
            if allowed.isEmpty, let largest = capacities.last {
                report(lead.digits > 0 ? "lead" : "keep", "no card number length is left: \(largest.arithmetic)")
            }
        } else {
            report("lead", "a lead is at most \(Lead.digitsMax) digits 0-9 that do not begin with 0, in quotes")
            self.lead = .empty
        }
        allowedLengths = allowed

        guard problems.isEmpty else { throw TokenFormatError(format: name, problems: problems) }
    }

    /// True for 1 to 64 ASCII letters, digits, dots, underscores and hyphens.
    static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

extension TokenFormat {
    /// What an operator should know about a sound format: one sentence each, without the format's name.
    ///
    /// Names the lengths that are refused, with the arithmetic, and a lead under which real cards are issued.
    package var notes: [String] {
        var notes = refusedLengths.map { "refused for \($0.length)-digit card numbers: \($0.arithmetic)" }
        if lead.digits > 0, luhn != .invalid {
            let names = IssuerRanges.names(beginningWith: lead.first8)
            if !names.isEmpty {
                let list = names.joined(separator: ", ")
                notes.append(
                    "lead \(lead.text) with luhn \(luhn.rawValue) makes tokens that can be card numbers of: \(list)")
            }
        }
        return notes
    }
}

/// The digits that every token of a format begins with: up to 15, never beginning with 0; or none.
package struct Lead: Sendable, Equatable {
    /// The digits as a number; 0 when there are none.
    package let value: UInt64
    /// How many digits there are.
    package let digits: Int

    /// No lead.
    package static let empty = Lead()
    /// The most digits: more would leave no length with 10,000 tokens.
    package static let digitsMax = 15

    private init() {
        value = 0
        digits = 0
    }

    /// Reads a lead; nil when it is not all ASCII digits, begins with 0 or is longer than 15. The empty text is `empty`.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.digitsMax, text.utf8.first != UInt8(ascii: "0") else { return nil }
        var value: UInt64 = 0
        for byte in text.utf8 {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
            value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        self.value = value
        digits = text.utf8.count
    }

    /// The digits as the configuration writes them.
    package var text: String { digits == 0 ? "" : String(value) }

    /// The first eight digits, or all when there are fewer.
    var first8: UInt32 { UInt32(truncatingIfNeeded: digits <= 8 ? value : value / Digits.power(digits - 8)) }
}

/// A set of card number lengths, 12 to 19 digits.
package struct PANLengths: OptionSet, Sendable, Equatable {
    /// Bit n stands for n digits.
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The set of one length.
    package init(_ length: Int) { rawValue = 1 << UInt32(length) }

    /// Every length there is.
    package static let all = PANLengths(rawValue: 0xF_F000)
}

/// Everything that is wrong with the settings of one format.
package struct TokenFormatError: Error, Equatable, CustomStringConvertible {
    /// One wrong setting.
    package struct Problem: Sendable, Equatable {
        /// The key in the configuration: `name`, `id`, `keep`, `lead`, `ttl` or `purposes`.
        package let key: String
        /// What is wrong, as a sentence without a full stop, for an operator.
        package let message: String
    }

    /// The name of the format as given.
    package let format: String
    /// The problems, in the order of the settings; never empty.
    package let problems: [Problem]

    /// All problems on one line.
    package var description: String {
        problems.map { "format \(format): \($0.key): \($0.message)" }.joined(separator: "; ")
    }
}
