import Glibc

/// What is wrong with the files a TLS context was to be made from, and with which one.
package struct TLSConfigurationError: Error, Equatable, Sendable {
    /// The file, as it was named to us.
    package let file: String
    package let problem: Problem

    package init(file: String, problem: Problem) {
        self.file = file
        self.problem = problem
    }

    package enum Problem: Equatable, Sendable {
        case missing
        case unreadable(errno: Int32)
        case tooLarge
        /// A private key that everybody on the machine may read.
        case readableByEverybody
        /// Holds no PEM block of the kind named.
        case notPEM(expected: String)
        /// Holds such a block, but libcrypto cannot read it.
        case malformed(reason: String)
        case encryptedKey
        case keyMismatch(certificate: String)
        case notYetValid
        case expired
        /// The certificate's extended key usage does not allow the role named.
        case wrongPurpose(role: String)
        /// A server certificate without subject alternative names: no client could check who answers.
        case noNames
        /// A certificate in the file of authorities that is none.
        case notAnAuthority(subject: String)
        /// Every authority in the file is expired or not yet valid.
        case noValidAuthority
        case revocationListMissing(authority: String)
        case revocationListDuplicate(authority: String)
        case revocationListOutdated(authority: String)
        case revocationListNotYetValid(authority: String)
        case revocationListForged(authority: String)
        /// Weaker than the policy allows, or otherwise refused by libssl.
        case refused(reason: String)
    }
}

extension TLSConfigurationError: CustomStringConvertible {
    /// One line for an operator: the file and what to do about it.
    package var description: String { "\(file): \(problem)" }
}

extension TLSConfigurationError.Problem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing: "does not exist"
        case .unreadable(let code): unsafe "cannot be read: \(String(cString: strerror(code)))"
        case .tooLarge: "is larger than \(TLSPolicy.fileBytesMax >> 20) MiB"
        case .readableByEverybody: "is a private key that everybody may read; chmod it to 0600"
        case .notPEM(let expected): "holds no \(expected) in PEM form"
        case .malformed(let reason): "is damaged: \(reason)"
        case .encryptedKey: "is protected by a passphrase; store the key unencrypted with mode 0600"
        case .keyMismatch(let certificate): "is not the private key of \(certificate)"
        case .notYetValid: "is not yet valid"
        case .expired: "has expired"
        case .wrongPurpose(let role): "has an extended key usage that does not allow a TLS \(role)"
        case .noNames: "has no subject alternative name, so no client can check it"
        case .notAnAuthority(let subject): "holds a certificate that is not a CA: \(subject)"
        case .noValidAuthority: "holds no CA that is valid today"
        case .revocationListMissing(let authority): "holds no revocation list of \(authority)"
        case .revocationListDuplicate(let authority): "holds more than one revocation list of \(authority)"
        case .revocationListOutdated(let authority): "holds an outdated revocation list of \(authority)"
        case .revocationListNotYetValid(let authority): "holds a revocation list from the future of \(authority)"
        case .revocationListForged(let authority): "holds a revocation list that \(authority) did not sign"
        case .refused(let reason): "was refused: \(reason)"
        }
    }
}
