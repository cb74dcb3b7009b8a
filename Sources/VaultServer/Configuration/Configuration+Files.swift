import Glibc

extension Configuration {
    /// Looks at the machine: files that must be there and readable by this process, secrets that others could read,
    /// directories that are missing and cannot be made, socket paths that are too long, a group that does not exist.
    ///
    /// Blocks on file I/O; opens and changes nothing. `isFirstStart` accepts a missing `root_key.file`, which
    /// `strongroom init` is about to make. Each problem stands at the key that names the file.
    package func fileProblems(isFirstStart: Bool = false) -> [ConfigurationProblem] {
        var checker = FileChecker(source: source)
        checker.checkConfigurationFile()
        checker.checkDirectory(data, at: "data")
        checker.checkFile(tls.certificate, at: "tls.certificate")
        checker.checkFile(tls.key, at: "tls.key", isSecret: true)
        checker.checkFile(tls.clientCA, at: "tls.client_ca")
        if let crl = tls.crl { checker.checkFile(crl, at: "tls.crl") }
        if case .file(let path) = rootKey {
            checker.checkFile(path, at: "root_key.file", isSecret: true, mayBeMissing: isFirstStart)
        }
        if case .pkcs11(let token) = rootKey {
            checker.checkFile(token.module, at: "root_key.pkcs11.module")
            checker.checkFile(token.pinFile, at: "root_key.pkcs11.pin_file", isSecret: true)
        }
        if let epoch = keys.epochFile {
            let directory = Path(written: epoch.written, absolute: parentDirectory(of: epoch.absolute))
            checker.checkDirectory(directory, at: "keys.epoch_file")
        }
        if let unix = listen.unix { checker.checkSocket(unix, at: "listen.unix") }
        checker.checkSocket(listen.control, at: "listen.control")
        if let group = control.group { checker.checkGroup(group, at: "control.group") }
        checker.checkOperators(operators)
        return checker.problems
    }
}

/// The checks of single files; paths of options that were never read (a mandatory one missing) are skipped.
private struct FileChecker {
    let source: ConfigurationSource
    var problems: [ConfigurationProblem] = []

    /// Whoever can write the configuration can open the vault.
    mutating func checkConfigurationFile() {
        guard let status = status(of: source.file), status.st_mode & 0o002 != 0 else { return }
        problems.append(
            .init(file: source.file, position: nil, keyPath: "", message: "anyone can change it; run chmod o-w"))
    }

    mutating func checkFile(
        _ path: Configuration.Path, at key: String, isSecret: Bool = false, mayBeMissing: Bool = false
    ) {
        guard path != .unset else { return }
        guard let status = status(of: path.absolute) else {
            let code = errno
            if code == ENOENT && mayBeMissing {
                checkDirectory(.init(written: path.written, absolute: parentDirectory(of: path.absolute)), at: key)
            } else {
                report(key, "\(path.absolute): \(errorText(code))")
            }
            return
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return report(key, "\(path.absolute) is not a regular file") }
        if isSecret && status.st_mode & 0o077 != 0 {
            let mode = String(status.st_mode & 0o777, radix: 8)
            report(key, "\(path.absolute) is open to others (mode 0\(mode)); run chmod 600")
        }
        if unsafe faccessat(AT_FDCWD, path.absolute, R_OK, AT_EACCESS) != 0 {
            report(key, "\(path.absolute): \(errorText(errno))")
        }
    }

    /// The directory must exist, or the nearest one above it that exists must let us make it.
    mutating func checkDirectory(_ path: Configuration.Path, at key: String) {
        guard path != .unset else { return }
        var directory = path.absolute
        while true {
            if let status = status(of: directory) {
                if status.st_mode & S_IFMT != S_IFDIR {
                    report(key, "\(directory) is not a directory")
                } else if unsafe faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0 {
                    let purpose = directory == path.absolute ? "write in it" : "make \(path.absolute)"
                    report(key, "\(directory): cannot \(purpose): \(errorText(errno))")
                }
                return
            }
            guard errno == ENOENT, directory != "/" else { return report(key, "\(directory): \(errorText(errno))") }
            directory = parentDirectory(of: directory)
        }
    }

    mutating func checkSocket(_ path: Configuration.Path, at key: String) {
        guard path != .unset else { return }
        if path.absolute.utf8.count > socketPathBytesMax {
            report(
                key,
                "\(path.absolute) has \(path.absolute.utf8.count) bytes; a socket path has at most "
                    + "\(socketPathBytesMax)")
        }
        if let status = status(of: path.absolute) {
            if status.st_mode & S_IFMT != S_IFSOCK { report(key, "\(path.absolute) exists and is not a socket") }
        }
        checkDirectory(.init(written: path.written, absolute: parentDirectory(of: path.absolute)), at: key)
    }

    /// A group that was asked for must exist; without the default one the daemon keeps the socket to itself.
    mutating func checkGroup(_ name: String, at key: String) {
        guard source.positions[key] != nil else { return }
        var entry = unsafe group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        let code = unsafe getgrnam_r(name, &entry, &buffer, buffer.count, &found)
        if unsafe found == nil {
            report(key, code == 0 ? "there is no group '\(name)'" : "group '\(name)': \(errorText(code))")
        }
    }

    /// Operators are Unix users that exist, a different one each.
    mutating func checkOperators(_ operators: [Configuration.Operator]) {
        var known: [UInt32: String] = [:]
        for (index, person) in operators.enumerated() {
            let key = "operators[\(index)].user"
            // What is written twice is reported already.
            if operators[..<index].contains(where: { $0.user == person.user }) { continue }
            guard let user = person.user.id else {
                report(key, "there is no user '\(person.user)'")
                continue
            }
            if let other = known.updateValue(person.name, forKey: user) {
                report(key, "is the Unix user of the operator '\(other)' too")
            }
        }
    }

    private mutating func report(_ key: String, _ message: String) {
        problems.append(source.problem(key, message))
    }

    /// The file's status, following links; nil leaves errno set.
    private func status(of path: String) -> stat? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status : nil
    }
}

private func parentDirectory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
}

/// `sockaddr_un.sun_path` holds 108 bytes with the final zero.
private let socketPathBytesMax = 107
