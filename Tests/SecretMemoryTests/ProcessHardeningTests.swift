import Foundation
import SecretMemory
import Testing

@Suite("process hardening")
struct ProcessHardeningTests {
    @Test("afterwards there is no core size left, another user owns /proc/self, and applying again is harmless")
    func applied() async {
        await #expect(processExitsWith: .exitCode(0)) {
            do {
                try ProcessHardening.apply()
                try ProcessHardening.apply()
            } catch {
                exit(1)
            }
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
            if limit.rlim_cur != 0 || limit.rlim_max != 0 { exit(2) }
            // The kernel gives the files of an undumpable process to the superuser.
            if getuid() == 0 && (setgid(65_534) != 0 || setuid(65_534) != 0) { exit(3) }
            do { try ProcessHardening.apply() } catch { exit(4) }
            var entry = stat()
            unsafe stat("/proc/self/mem", &entry)
            exit(entry.st_uid == 0 ? 0 : 5)
        }
    }
}
