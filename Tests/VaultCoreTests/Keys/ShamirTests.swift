import SecretMemory
import Testing

@testable import VaultCore

/// A published sharing with its coefficients.
struct SharingVector: CustomTestStringConvertible {
    let name: String
    let threshold: Int
    let secret: String
    /// One row a power of x, from 1 on.
    let coefficients: [String]
    let shares: [String]

    var testDescription: String { name }

    /// The test case of draft-mcgrew-tss-03, section 9, whose coefficient follows from its first share; and those of
    /// Bouncy Castle's ShamirSecretSplitterTest (bc-java), all with the field polynomial 0x11B.
    static let published = [
        SharingVector(
            name: "draft-mcgrew-tss-03", threshold: 2, secret: "7465737400", coefficients: ["CD9F749585"],
            shares: ["B9FA07E185", "F5409B4511"]),
        SharingVector(
            name: "TV011B_1", threshold: 2, secret: "7465737400", coefficients: ["A87B3491B5"],
            shares: ["DC1E47E5B5", "3F931B4D71"]),
        SharingVector(
            name: "TV011B_2", threshold: 2, secret: "53414D5443", coefficients: ["395D396C87"],
            shares: ["6A1C7438C4", "21FB3F8C56", "18A606E0D1", "B72EA9FF69"]),
        SharingVector(
            name: "TV011B_3", threshold: 3, secret: "53414D5443", coefficients: ["271AAB7906", "3A2899BC37"],
            shares: ["4E737F9172", "F5D5526093", "E8E760A5A2", "429F849E06"]),
        SharingVector(
            name: "TV011B_4", threshold: 4, secret: "53414D5443",
            coefficients: ["1A1E0A9D44", "22E9730534", "4C76A07767"],
            shares: ["27C094BB54", "B969F9F40E", "7EC7CD3250", "ABAF81828D"]),
        SharingVector(
            name: "TV011B_5", threshold: 2, secret: "546573742044617461", coefficients: ["7FB4E8581EB75DC945"],
            shares: [
                "2BD19B2C3EF33CBD24", "AA16B8C41C31DBFDEB", "D5A2509C02868634AE", "B383FE0F58AE0E7D6E",
                "CC371657461953B42B", "4DF035BF64DBB4F4E4", "3244DDE77A6CE93DA1", "81B27282D08BBF667F",
                "FE069ADACE3CE2AF3A",
            ]),
        SharingVector(
            name: "TV011B_6", threshold: 3, secret: "0102030405060708090A0B0C0D0E0F",
            coefficients: ["EC7440E19A4F5FCADB32C9814FA271", "9605B3FC916E7C517202B800668097"],
            shares: [
                "7B73F0190E272493A03A7A8D242CE9", "ACFE7900583B52D877665415106787", "D68F8A1D531A7143DE562594394561",
                "3F99DDF4889BE16A29E2773E106863", "45E82EE983BAC2F180D206BF394A85",
            ]),
    ]
}

@Suite("Shamir's sharing")
struct ShamirTests {
    /// All ways to choose `size` of the indices 1 to `count`.
    private func subsets(_ size: Int, of count: UInt8) -> [[UInt8]] {
        (0..<1 << Int(count)).map { mask in (1...count).filter { mask >> ($0 - 1) & 1 == 1 } }.filter {
            $0.count == size
        }
    }

    private func refusal(threshold: Int, count: Int, secret: [UInt8] = sampleSecret) -> SplitError? {
        do throws(SplitError) {
            _ = try Shamir.shares(of: secret, threshold: threshold, count: count)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "published sharings come out byte for byte, and every choice of shares gives the secret",
        arguments: SharingVector.published)
    func published(vector: SharingVector) throws {
        let secret = bytes(hex: vector.secret)
        let expected = vector.shares.map { bytes(hex: $0) }
        let shares = try Shamir.shares(
            of: secret, threshold: vector.threshold, count: expected.count,
            coefficients: vector.coefficients.flatMap { bytes(hex: $0) })
        #expect(shares == expected)
        for indices in subsets(vector.threshold, of: UInt8(expected.count)) {
            #expect(Shamir.combined(indices, of: expected) == secret)
        }
    }

    @Test("three, four or five shares of a 3-of-5 set give the secret, whichever they are and in any order")
    func threeOfFive() throws {
        let shares = try Shamir.shares(of: sampleSecret, threshold: 3, count: 5)
        let choices = (3...5).flatMap { subsets($0, of: 5) }
        #expect(choices.count == 16)
        for indices in choices {
            #expect(Shamir.combined(indices, of: shares) == sampleSecret)
            #expect(Shamir.combined(indices.reversed(), of: shares) == sampleSecret)
        }
        for indices in subsets(2, of: 5) + subsets(1, of: 5) {
            #expect(Shamir.combined(indices, of: shares) != sampleSecret)
        }
    }

    @Test(
        "the smallest and the largest sets give the secret back",
        arguments: [(2, 2), (2, 255), (3, 3), (127, 255), (255, 255)])
    func extremes(threshold: Int, count: Int) throws {
        let shares = try Shamir.shares(of: sampleSecret, threshold: threshold, count: count)
        let last = (count - threshold + 1...count).map { UInt8($0) }
        #expect(Shamir.combined(last, of: shares) == sampleSecret)
        #expect(Set(shares).count == count)
    }

    /// How many polynomials of degree 2 have each constant term, of those through the points given.
    private func polynomials(through points: [(x: UInt8, y: UInt8)]) -> [Int] {
        (UInt8.min...UInt8.max).map { secret in
            (UInt8.min...UInt8.max).filter { linear in
                // The first point leaves one quadratic coefficient; the other points then fit or do not.
                let (x, y) = points[0]
                let rest = GF256.add(GF256.add(y, secret), GF256.multiply(linear, x))
                let quadratic = GF256.multiply(rest, GF256.inverse(GF256.multiply(x, x)))
                return points.allSatisfy { x, y in
                    let high = GF256.multiply(GF256.add(GF256.multiply(quadratic, x), linear), x)
                    return GF256.add(high, secret) == y
                }
            }.count
        }
    }

    @Test("two shares of a 3-of-5 set leave every value of a secret byte equally likely, and three leave one")
    func secrecy() throws {
        let shares = try Shamir.shares(of: sampleSecret, threshold: 3, count: 5)
        let points = [1, 3, 4].map { (x: UInt8($0 + 1), y: shares[$0][0]) }
        #expect(polynomials(through: Array(points.prefix(1))) == [Int](repeating: 256, count: 256))
        #expect(polynomials(through: Array(points.prefix(2))) == [Int](repeating: 1, count: 256))
        let known = polynomials(through: points)
        #expect(known.reduce(0, +) == 1)
        #expect(known[Int(sampleSecret[0])] == 1)
    }

    @Test("a wrong bit in a share changes the same bit's byte of the secret and no other")
    func wrongShare() throws {
        var shares = try Shamir.shares(of: sampleSecret, threshold: 3, count: 5)
        shares[1][7] ^= 1
        let combined = Shamir.combined([1, 2, 3], of: shares)
        #expect(combined.indices.filter { combined[$0] != sampleSecret[$0] } == [7])
        #expect(Shamir.combined([1, 3, 4], of: shares) == sampleSecret)
        // All five are on no polynomial of degree 2 any more.
        #expect(Shamir.combined([1, 2, 3, 4, 5], of: shares) != sampleSecret)
    }

    @Test("shares of two splits of one secret differ, and give nothing together")
    func mixedSets() throws {
        let first = try Shamir.shares(of: sampleSecret, threshold: 2, count: 3)
        let second = try Shamir.shares(of: sampleSecret, threshold: 2, count: 3)
        #expect(Set(first + second).count == 6)
        #expect(Shamir.combined([1, 2], of: [first[0], second[1]]) != sampleSecret)
    }

    @Test("coefficients of every power are drawn: the shares of an all-zero secret are on no smaller polynomial")
    func degree() throws {
        let shares = try Shamir.shares(of: [UInt8](repeating: 0, count: 32), threshold: 4, count: 5)
        #expect(Shamir.combined([1, 2, 3], of: shares) != [UInt8](repeating: 0, count: 32))
        #expect(shares.allSatisfy { Set($0).count > 8 })
    }

    @Test("thresholds and counts that make no sense are refused by name")
    func refusals() {
        #expect(refusal(threshold: 3, count: 2) == .thresholdAboveCount(threshold: 3, count: 2))
        #expect(refusal(threshold: 2, count: 1) == .thresholdAboveCount(threshold: 2, count: 1))
        for threshold in [1, 0, -1, .min] {
            #expect(refusal(threshold: threshold, count: 5) == .thresholdBelowMin(threshold))
        }
        for count in [256, 257, .max] {
            #expect(refusal(threshold: 2, count: count) == .countAboveMax(count))
        }
        #expect(refusal(threshold: 2, count: -1) == .thresholdAboveCount(threshold: 2, count: -1))
        #expect(refusal(threshold: 2, count: 2) == nil)
        #expect(
            refusal(threshold: 3, count: 2)?.message
                == "shares: a threshold of 3 with 2 shares could never be reached")
    }

    @Test("secrets of any size but 32 bytes are refused", arguments: [0, 1, 31, 33, 64])
    func secretSize(count: Int) {
        #expect(refusal(threshold: 2, count: 3, secret: [UInt8](repeating: 1, count: count)) == .secretSize(count))
    }

    @Test("a set lends and copies the share that is asked for")
    func lending() throws {
        let secret = sampleSecret
        let set = try Shamir.split(secret.span, threshold: 2, count: 4)
        for index in 1...4 {
            let share = set.share(index)
            let content = (share.setID == set.setID, Int(share.threshold), Int(share.index), share.span.copied)
            #expect(content.0 && content.1 == 2 && content.2 == index)
            let lent = set.bytes(of: index).copied
            #expect(content.3 == lent)
        }
        let other = try Shamir.split(secret.span, threshold: 2, count: 4)
        let differ = set.setID != other.setID
        #expect(differ)
    }

    @Test("indices that cannot be combined stop the process", arguments: [[0, 1], [1, 1], []] as [[UInt8]])
    func unusableIndices(indices: [UInt8]) async {
        await #expect(processExitsWith: .failure) { [indices] in
            let bytes = [UInt8](repeating: 1, count: 32 * indices.count)
            _ = Shamir.combine(indices: indices, shares: bytes.span)
        }
    }

    @Test("a set whose shares do not give the secret back stops the process")
    func selfCheck() async {
        await #expect(processExitsWith: .failure) {
            let bytes = [UInt8](1...96)
            let set = ShareSet(
                setID: 1, threshold: 2, count: 3, bytes: SecretBytes(copying: bytes.span))
            let secret = sampleSecret
            set.requireSecret(secret.span)
        }
        await #expect(processExitsWith: .success) {
            let set = ShareSet(setID: 1, threshold: 2, count: 3, bytes: SecretBytes(count: 96))
            let zeros = [UInt8](repeating: 0, count: 32)
            set.requireSecret(zeros.span)
        }
    }
}
