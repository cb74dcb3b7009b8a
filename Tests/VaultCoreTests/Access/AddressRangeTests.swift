import Testing

@testable import VaultCore

@Suite("Addresses that a client may call from")
struct AddressRangeTests {
    private func range(_ text: String) -> AddressRange? { try? AddressRange(text) }

    @Test(
        "reads networks, addresses and the socket, and writes them in their canonical form",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1/32", "127.0.0.1"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("::1", "::1"), ("2001:DB8::/32", "2001:db8::/32"), ("::/0", "::/0"),
            ("2001:db8:0:0::1/128", "2001:db8::1"), ("unix", "unix"),
        ])
    func reading(text: String, canonical: String) throws {
        #expect(try AddressRange(text).text == canonical)
    }

    @Test(
        "refuses what is none",
        arguments: [
            "", "10", "10.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "/8",
            "localhost", "::1/129", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "10.0.0.0 /8", "010.0.0.1", "Unix",
            "unix/1",
            "fe80::1%lo",
        ])
    func refusing(text: String) {
        #expect(throws: AddressRange.Problem.syntax) { try AddressRange(text) }
    }

    @Test(
        "refuses a network with bits beyond its prefix",
        arguments: ["10.1.0.0/8", "127.0.0.1/31", "2001:db8::1/64", "1.0.0.0/0"])
    func beyond(text: String) {
        #expect(throws: AddressRange.Problem.beyondPrefix) { try AddressRange(text) }
    }

    @Test(
        "an address is in a network whose prefix it has",
        arguments: [
            ("10.0.0.0/8", "10.255.3.1", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("192.168.4.128/25", "192.168.4.127", false), ("192.168.4.128/25", "192.168.4.200", true),
            ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false), ("127.0.0.1", "127.0.0.2", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::/0", "2001:db8::1", true), ("::1", "::1", true), ("2001:db8::/64", "2001:db8:0:1::", false),
            ("2001:db8::/96", "2001:db8::1:0:0", false),
        ])
    func containing(network: String, address: String, isIn: Bool) throws {
        let caller: IPAddress = try #require(IPAddress(address))
        #expect(try AddressRange(network).contains(.network(caller)) == isIn)
    }

    @Test("an IPv4 caller on a dual-stack socket is the same caller")
    func mapped() throws {
        let mapped = try #require(
            IPAddress(bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 1, 2, 3]))
        #expect(mapped == IPAddress(bytes: [10, 1, 2, 3]))
        #expect(mapped.text == "10.1.2.3")
        #expect(try AddressRange("10.0.0.0/8").contains(.network(mapped)))
    }

    @Test("the socket is in no network, and no address is on the socket")
    func socket() throws {
        let local = try #require(IPAddress("127.0.0.1"))
        #expect(try AddressRange("unix").contains(.unix))
        #expect(try !AddressRange("0.0.0.0/0").contains(.unix))
        #expect(try !AddressRange("::/0").contains(.unix))
        #expect(try !AddressRange("unix").contains(.network(local)))
        for text in ["unix", "::/0", "0.0.0.0/0"] { #expect(try !AddressRange(text).contains(.unknown)) }
    }
}

@Suite("Hours of the day")
struct DayHoursTests {
    private func time(_ hour: UInt32, _ minute: UInt32, _ second: UInt32 = 0) -> UInt32 {
        86_400 * 20_000 + hour * 3_600 + minute * 60 + second
    }

    @Test("begin with their first minute and end before the last one named")
    func plain() throws {
        let hours = try #require(DayHours("06:00-22:30"))
        #expect(!hours.contains(time(5, 59, 59)))
        #expect(hours.contains(time(6, 0)))
        #expect(hours.contains(time(22, 29, 59)))
        #expect(!hours.contains(time(22, 30)))
        #expect(hours.text == "06:00-22:30")
    }

    @Test("may go over midnight")
    func overnight() throws {
        let hours = try #require(DayHours("22:00-06:00"))
        #expect(hours.contains(time(23, 59, 59)) && hours.contains(time(0, 0)) && hours.contains(time(5, 59, 59)))
        #expect(!hours.contains(time(6, 0)) && !hours.contains(time(21, 59, 59)))
    }

    @Test("may end with the day, or begin with it")
    func midnight() throws {
        let evening = try #require(DayHours("20:00-24:00"))
        #expect(evening.contains(time(23, 59, 59)) && !evening.contains(time(0, 0)))
        let night = try #require(DayHours("20:00-00:00"))
        #expect(night.contains(time(23, 59, 59)) && !night.contains(time(0, 0)))
        let all = try #require(DayHours("00:00-24:00"))
        #expect(all.contains(time(0, 0)) && all.contains(time(23, 59, 59)))
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "06:00", "6:00-22:00", "06:00-22:00 ", "06:00–22:00", "06:00-06:00", "24:00-06:00", "06:60-07:00",
            "06:00-24:01", "06:00-25:00", "0600-2200", "ab:cd-ef:gh", "06:00-+2:00", "00:00-00:00",
        ])
    func refused(text: String) {
        #expect(DayHours(text) == nil)
    }
}
