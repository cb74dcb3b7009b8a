import Glibc
import Logging
import SecretMemory
import Testing

@testable import VaultCore
@testable import VaultServer

@Suite("Second factor of operators")
struct SecondFactorTests {
    /// A keyring in which anna has enrolled, and where used codes are kept.
    private struct Bench {
        let directory: TemporaryDirectory
        let keyring: Keyring
        let enrolment: OperatorEnrolment
        let anna = Operator(uid: 4000, name: "anna")
        var path: String { directory.path + "/codes" }

        init() throws {
            directory = try TemporaryDirectory()
            enrolment = try OperatorEnrolment(name: "anna", since: 1)
            let enrolment = enrolment
            keyring = try Keyring.create(now: 1).withOperatorsKey(now: 1).annotated { $0.enrolments = [enrolment] }
            var ledger = CodeLedger()
            ledger.entries["anna"] = .init(lastStep: 0)
            try ledger.write(to: path, keyring)
        }

        func factor() -> SecondFactor { SecondFactor(path: path, logger: Logger(label: "test")) }

        /// The code of an enrolment at a time.
        func code(_ enrolment: OperatorEnrolment? = nil, at seconds: UInt64) throws -> OneTimeCode {
            guard let secret = try (enrolment ?? self.enrolment).secret(keyring) else { throw KeyringError.damaged }
            let digits = String(try TOTP.value(secret: secret.span, step: TOTP.step(at: seconds)) % 1_000_000)
            return try #require(OneTimeCode(String(repeating: "0", count: 6 - digits.count) + digits))
        }

        func clean() { _ = unsafe unlink(path) }
    }

    /// How the vault answers; `nil` where it takes the code.
    private func answer(_ body: () throws(KeyFailure) -> Void) -> String? {
        do throws(KeyFailure) {
            try body()
            return nil
        } catch {
            return "\(error.status) \(error.code)"
        }
    }

    @Test("a code is taken once, holds for its time and its Unix user, and not after a restart's loss of memory")
    func session() throws {
        let bench = try Bench()
        defer { bench.clean() }
        let (factor, anna) = (bench.factor(), bench.anna)
        let code = try bench.code(at: 3000)
        #expect(!factor.isVerified(anna, within: 60, monotonic: 10))
        let taken = answer { () throws(KeyFailure) in
            try factor.take(code, of: anna, bench.keyring, now: 3000, monotonic: 10)
        }
        #expect(taken == nil)
        #expect(factor.isVerified(anna, within: 60, monotonic: 69))
        #expect(!factor.isVerified(anna, within: 60, monotonic: 70))
        #expect(!factor.isVerified(Operator(uid: 4001, name: "anna"), within: 60, monotonic: 11))
        for instance in [factor, bench.factor()] {
            let replayed = answer { () throws(KeyFailure) in
                try instance.take(code, of: anna, bench.keyring, now: 3001)
            }
            #expect(replayed == "401 code_wrong")
        }
        #expect(!bench.factor().isVerified(anna, within: 60, monotonic: 11))
        factor.forget("anna")
        #expect(!factor.isVerified(anna, within: 60, monotonic: 11))
    }

    @Test("ten wrong codes lock for half an hour, across restarts, and even the right one is refused then")
    func lock() throws {
        let bench = try Bench()
        defer { bench.clean() }
        let wrong = try bench.code(at: 900_000)
        for count in 1...10 {
            // A restart in the middle changes nothing.
            let answer = answer { () throws(KeyFailure) in
                try bench.factor().take(wrong, of: bench.anna, bench.keyring, now: 3000)
            }
            #expect(answer == "401 code_wrong", "\(count)")
        }
        let factor = bench.factor()
        #expect(factor.lockLeft("anna", bench.keyring, now: 3000) == 1800)
        for now in [3000, 4799] as [UInt64] {
            let right = try bench.code(at: now)
            let refused = answer { () throws(KeyFailure) in
                try factor.take(right, of: bench.anna, bench.keyring, now: now)
            }
            #expect(refused == "429 code_locked")
        }
        let right = try bench.code(at: 4800)
        let taken = answer { () throws(KeyFailure) in
            try factor.take(right, of: bench.anna, bench.keyring, now: 4800)
        }
        #expect(taken == nil)
    }

    @Test("where it is lost which codes were used, those until now count as used")
    func lostLedger() throws {
        let bench = try Bench()
        bench.clean()
        defer { bench.clean() }
        let factor = bench.factor()
        let answers: [(UInt64, String?)] = [(3000, "401 code_wrong"), (3030, "401 code_wrong"), (3060, nil)]
        for (seconds, expected) in answers {
            let code = try bench.code(at: seconds)
            let found = answer { () throws(KeyFailure) in
                try factor.take(code, of: bench.anna, bench.keyring, now: max(3000, seconds - 30))
            }
            #expect(found == expected, "\(seconds)")
        }
    }

    @Test("a code that cannot be written down as used is not taken, and is used up all the same")
    func fullDisk() throws {
        let bench = try Bench()
        defer { bench.clean() }
        let factor = SecondFactor(path: bench.directory.path + "/gone/codes", logger: Logger(label: "test"))
        let first = try bench.code(at: 3060)
        let answer = answer { () throws(KeyFailure) in
            _ = factor.lockLeft("anna", bench.keyring, now: 2000)
            try factor.take(first, of: bench.anna, bench.keyring, now: 3060, monotonic: 5)
        }
        #expect(answer == "503 store_failed")
        #expect(!factor.isVerified(bench.anna, within: 60, monotonic: 6))
        let again = self.answer { () throws(KeyFailure) in
            try factor.take(first, of: bench.anna, bench.keyring, now: 3060)
        }
        #expect(again == "401 code_wrong")
    }

    @Test("a stranger to the keyring has to enrol first")
    func notEnrolled() throws {
        let bench = try Bench()
        defer { bench.clean() }
        let code = try bench.code(at: 3000)
        let answer = answer { () throws(KeyFailure) in
            try bench.factor().take(code, of: Operator(uid: 1, name: "ben"), bench.keyring, now: 3000)
        }
        #expect(answer == "403 not_enrolled")
    }

    @Test("an enrolment is in force with its first code, within ten minutes and ten attempts, and once")
    func enrolment() throws {
        let bench = try Bench()
        defer { bench.clean() }
        let ben = Operator(uid: 4001, name: "ben")
        let factor = bench.factor()
        var installed: [OperatorEnrolment] = []
        func confirm(_ code: OneTimeCode, now: UInt64, monotonic: UInt64) -> String? {
            answer { () throws(KeyFailure) in
                try factor.confirm(code, of: ben, bench.keyring, now: now, monotonic: monotonic) {
                    (enrolment) throws(KeyFailure) in installed.append(enrolment)
                }
            }
        }
        let wrong = try bench.code(at: 900_000)
        #expect(confirm(wrong, now: 3000, monotonic: 0) == "409 no_enrolment")

        // The secret as a generator has it: out of the address.
        func begin(_ monotonic: UInt64) throws -> [UInt8] {
            let address = try factor.begin(ben, bench.keyring, issuer: "test", now: 3000, monotonic: monotonic)
            let text = String(decoding: (0..<address.count).map { address.span[$0] }, as: UTF8.self)
            let match = try #require(
                text.firstMatch(of: #/^otpauth:\/\/totp\/test:ben\?secret=([A-Z2-7]{32})&issuer=test$/#))
            let bits = match.output.1.utf8.flatMap { digit in
                let value = digit < 0x41 ? digit - 0x32 + 26 : digit - 0x41
                return (0..<5).map { value >> UInt8(4 - $0) & 1 }
            }
            return (0..<20).map { byte in bits[byte * 8..<byte * 8 + 8].reduce(0) { $0 << 1 | $1 } }
        }
        func code(_ secret: [UInt8], at seconds: UInt64) throws -> OneTimeCode {
            let digits = String(try TOTP.value(secret: secret.span, step: seconds / 30) % 1_000_000)
            return try #require(OneTimeCode(String(repeating: "0", count: 6 - digits.count) + digits))
        }
        let late = try begin(0)
        #expect(confirm(try code(late, at: 3000), now: 3000, monotonic: 600) == "409 no_enrolment")
        let guessed = try begin(0)
        for _ in 0..<10 { #expect(confirm(wrong, now: 3000, monotonic: 1) == "401 code_wrong") }
        #expect(confirm(try code(guessed, at: 3000), now: 3000, monotonic: 1) == "409 no_enrolment")
        let replaced = try begin(0)
        let secret = try begin(0)
        #expect(secret != replaced)
        #expect(confirm(try code(replaced, at: 3000), now: 3000, monotonic: 1) == "401 code_wrong")
        #expect(installed.isEmpty)
        #expect(confirm(try code(secret, at: 3000), now: 3000, monotonic: 1) == nil)
        #expect(installed.map(\.name) == ["ben"] && factor.isVerified(ben, within: 60, monotonic: 2))
        #expect(confirm(try code(secret, at: 3000), now: 3000, monotonic: 1) == "409 no_enrolment")

        // The code that confirmed is used up.
        let enrolled = bench.keyring.annotated { $0.enrolments += installed }
        let first = try code(secret, at: 3000)
        let replay = answer { () throws(KeyFailure) in try factor.take(first, of: ben, enrolled, now: 3001) }
        #expect(replay == "401 code_wrong")
        let next = try code(secret, at: 3030)
        let taken = answer { () throws(KeyFailure) in try factor.take(next, of: ben, enrolled, now: 3030) }
        #expect(taken == nil)
    }
}
