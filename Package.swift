// swift-tools-version: 6.3
import PackageDescription

/// One set of settings for every target: Swift 6 mode, strict memory safety, warnings are errors.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "strongroom",
    products: [
        .executable(name: "strongroomd", targets: ["strongroomd"]),
        .executable(name: "strongroom", targets: ["strongroom"]),
        .library(name: "StrongroomClient", targets: ["StrongroomClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // System libraries: a module map and `static inline` shims, nothing else.
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        // Calls of glibc that the compiler's own module of it leaves out.
        .systemLibrary(name: "CLinux"),
        // What is loaded at run time, so that there is nothing to link.
        .systemLibrary(name: "CPKCS11"),

        // Leaves: one C library each, no I/O framework, no logging.
        .target(name: "SecretMemory", swiftSettings: settings),
        .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),
        .target(name: "OpenSSLCrypto", dependencies: ["COpenSSL", "SecretMemory"], swiftSettings: settings),
        .target(name: "OpenSSLTLS", dependencies: ["COpenSSL"], swiftSettings: settings),
        .target(name: "PKCS11", dependencies: ["CPKCS11", "SecretMemory"], swiftSettings: settings),

        // The domain and its wire form: synchronous, no sockets.
        .target(
            name: "VaultCore", dependencies: ["CLinux", "LMDB", "OpenSSLCrypto", "SecretMemory"],
            swiftSettings: settings),
        .target(name: "VaultWire", swiftSettings: settings),

        // Both ends of the wire: the TLS handler that server and client share.
        .target(
            name: "VaultTransport",
            dependencies: ["OpenSSLTLS", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings),

        // The daemon as a library, so that tests run it in-process.
        .target(
            name: "VaultServer",
            dependencies: [
                "VaultCore", "VaultWire", "VaultTransport", "OpenSSLTLS", "OpenSSLCrypto", "LMDB", "PKCS11",
                "SecretMemory",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings),

        .target(
            name: "StrongroomClient",
            dependencies: [
                "VaultTransport", "VaultWire", "OpenSSLTLS", "SecretMemory",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),

        // The two programs: flags and wiring.
        .executableTarget(
            name: "strongroomd",
            dependencies: [
                "VaultServer", "SecretMemory",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "strongroom",
            dependencies: [
                "StrongroomClient", "VaultServer", "VaultCore", "VaultWire", "SecretMemory",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // Layers measured alone; here and not in the package of `bench`, because layers are not public.
        .executableTarget(
            name: "strongroom-layers", dependencies: ["VaultCore"], path: "bench/Layers", swiftSettings: settings),

        // Tests, one target for each module, and what they share.
        .target(name: "TLSTestSupport", path: "Tests/TLSTestSupport", swiftSettings: settings),
        .testTarget(name: "SecretMemoryTests", dependencies: ["SecretMemory"], swiftSettings: settings),
        .testTarget(name: "LMDBTests", dependencies: ["LMDB"], swiftSettings: settings),
        .testTarget(
            name: "OpenSSLCryptoTests", dependencies: ["OpenSSLCrypto", "SecretMemory"], swiftSettings: settings),
        .testTarget(name: "OpenSSLTLSTests", dependencies: ["OpenSSLTLS", "TLSTestSupport"], swiftSettings: settings),
        .testTarget(
            name: "PKCS11Tests", dependencies: ["PKCS11", "CPKCS11", "SecretMemory"], swiftSettings: settings),
        .testTarget(
            name: "VaultCoreTests", dependencies: ["VaultCore", "LMDB", "OpenSSLCrypto", "SecretMemory"],
            swiftSettings: settings),
        .testTarget(name: "VaultWireTests", dependencies: ["VaultWire"], swiftSettings: settings),
        .testTarget(
            name: "VaultTransportTests",
            dependencies: [
                "VaultTransport", "OpenSSLTLS", "TLSTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "strongroomTests",
            dependencies: [
                "strongroom", "StrongroomClient", "VaultCore", "VaultServer", "SecretMemory",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "VaultServerTests",
            dependencies: [
                "VaultServer", "VaultWire", "VaultCore", "SecretMemory",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "StrongroomClientTests",
            dependencies: [
                "StrongroomClient", "VaultTransport", "OpenSSLTLS", "TLSTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings),
    ]
)
