internal import Glibc

/// Tells systemd how the service stands, over the datagram socket named in `NOTIFY_SOCKET`; does nothing without one.
///
/// The protocol is that of sd_notify(3): lines of `NAME=value`. Any thread.
package struct SystemdNotifier: Sendable {
    private let path: String?
    /// Microseconds between signs of life that systemd expects; `nil` where it expects none.
    package let watchdogMicroseconds: UInt64?

    /// Reads the environment that systemd sets for the service.
    package init() {
        path = Self.variable("NOTIFY_SOCKET").flatMap { $0.utf8.count < 107 && !$0.isEmpty ? $0 : nil }
        let isForUs = Self.variable("WATCHDOG_PID").map { Int32($0) == getpid() } ?? true
        watchdogMicroseconds = isForUs ? Self.variable("WATCHDOG_USEC").flatMap { UInt64($0) } : nil
    }

    package func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

    package func status(_ status: String) { send("STATUS=\(status)") }

    /// A reload has begun; `ready` ends it. `MONOTONIC_USEC` is what Type=notify-reload of systemd 253 asks for.
    package func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(MonotonicClock.now / 1000)") }

    package func stopping() { send("STOPPING=1") }

    package func watchdog() { send("WATCHDOG=1") }

    private func send(_ message: String) {
        guard let path else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // A leading @ stands for the zero byte of an abstract name.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            for (index, byte) in name.enumerated() where index < buffer.count { unsafe buffer[index] = byte }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe sendto(descriptor, bytes, bytes.count, Self.noSignal, pointer, length)
            }
        }
    }

    /// `MSG_NOSIGNAL`.
    private static let noSignal: Int32 = 0x4000

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
