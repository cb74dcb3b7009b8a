import Glibc

/// Keeps 0, 1 and 2 what they should be.
enum StandardDescriptors {
    /// Fills the places of descriptors that were closed by the caller with ones on which every read or write fails:
    /// else the next file or socket opened would take their place, and card numbers would go there.
    static func secure() {
        for (descriptor, flags) in [(0, O_WRONLY), (1, O_RDONLY), (2, O_RDONLY)] as [(Int32, Int32)] {
            guard fcntl(descriptor, F_GETFD) < 0 else { continue }
            // The lowest free number is this one, since those below are taken.
            _ = unsafe open("/dev/null", flags)
        }
    }
}
