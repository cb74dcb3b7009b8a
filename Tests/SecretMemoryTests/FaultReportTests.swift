import Glibc
import SecretMemory
import Testing

@Suite("A hardened process that faults")
struct FaultReportTests {
    @Test("ends by the signal itself, without a report of registers and memory")
    func plainEnd() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            try ProcessHardening.apply()
            abort()
        }
        let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(!output.contains("Registers") && !output.contains("Backtrace"))
    }
}
