/// How a root key is to be split: `3/5`, or with the custodians' names `3/5:anna,ben,cleo,dan,eva`.
struct SharePlan: Equatable, Sendable {
    let threshold: Int
    let count: Int
    /// One for each share, in the order of the indices; empty where they are not named.
    let custodians: [String]

    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1)
        let numbers = (parts.first ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard numbers.count == 2, let threshold = decimal(numbers[0]), let count = decimal(numbers[1]),
            threshold <= 999, count <= 999
        else { return nil }
        let names = parts.count > 1 ? parts[1].split(separator: ",").map(String.init) : []
        self.init(threshold: threshold, count: count, custodians: names)
    }

    init?(threshold: Int, count: Int, custodians: [String]) {
        guard custodians.isEmpty || custodians.count == count, Set(custodians).count == custodians.count,
            custodians.allSatisfy(Self.isName)
        else { return nil }
        self.threshold = threshold
        self.count = count
        self.custodians = custodians
    }

    var text: String {
        "\(threshold)/\(count)" + (custodians.isEmpty ? "" : ":" + custodians.joined(separator: ","))
    }

    var description: String {
        "\(threshold) of \(count) shares"
            + (custodians.isEmpty ? "" : " for \(custodians.joined(separator: ", "))")
    }

    /// Names are stored and logged: what could be a card number is none.
    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text.utf8.count(where: \.isDigit) < 12
            && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0 != "," && $0 != ":" }
    }
}
