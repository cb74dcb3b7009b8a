import Testing

@testable import VaultServer

@Suite("Ends of certificates are seen ahead")
struct CertificateTests {
    private func term(
        _ kind: CertificateTerm.Kind = .server, _ name: String = "a", end: Int64 = 10_000, serial: String = "1"
    ) -> CertificateTerm {
        CertificateTerm(kind: kind, name: name, serial: serial, file: nil, end: end, warning: 1_000)
    }

    @Test("a term is near from its warning on, and over after its last second")
    func levels() {
        let term = term()
        #expect(term.level(at: 0) == .fine)
        #expect(term.level(at: 8_999) == .fine)
        #expect(term.level(at: 9_000) == .near)
        #expect(term.level(at: 10_000) == .near)
        #expect(term.level(at: 10_001) == .over)
        #expect(self.term(end: 0).level(at: 1) == .over)
    }

    @Test("each is spoken of once a day, at once when it has ended, and anew when it comes back")
    func once() {
        let watch = CertificateWatch()
        let (near, far, other) = (term(), term(end: 1_000_000), term(.client, "b"))
        #expect(watch.due([near, far], at: 9_100) == [near])
        #expect(watch.due([near, far], at: 9_160) == [])
        #expect(watch.due([near, far, other], at: 9_220) == [other])
        #expect(watch.due([near, other], at: 10_001) == [near, other])
        #expect(watch.due([near, other], at: 10_002) == [])
        #expect(watch.due([near, other], at: 10_001 + 86_400) == [near, other])
        // Renewed, then one that ends again: nothing of the old one is remembered.
        #expect(watch.due([far], at: 96_500) == [])
        #expect(watch.due([near], at: 96_501) == [near])
        // A clock that was set back speaks rather once too often.
        #expect(watch.due([near], at: 20_000) == [near])
        // Two of one name, as while an authority is replaced, are two.
        let twin = term(serial: "2")
        #expect(watch.due([near, twin], at: 20_001) == [twin])
        #expect(watch.due([near, near], at: 20_002) == [])
    }

    @Test("what is shown of a card is what the configuration lists, and both without a word")
    func shown() {
        #expect(ShownDigits(Configuration.Client().show) == .all)
        #expect(ShownDigits([]) == [])
        #expect(ShownDigits([.bin]) == .bin)
        #expect(ShownDigits([.last4]) == .last4)
        #expect(ShownDigits([.bin, .last4]) == .all)
    }

    @Test("touches of traps are counted, and the last one is known")
    func traps() {
        let trap = HoneyTrap()
        #expect(trap.touches == 0)
        #expect(trap.last == nil)
        trap.note(2, by: "billing")
        trap.note(1, by: "support")
        #expect(trap.touches == 3)
        #expect(trap.last?.client == "support")
        #expect((trap.last?.time ?? 0) > 1_700_000_000)
    }
}
