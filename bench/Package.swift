// swift-tools-version: 6.3
import PackageDescription

/// The settings of the product's own targets.
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

// A package of its own, so that what only a benchmark needs never enters the product's dependencies.
let package = Package(
    name: "strongroom-bench",
    products: [.executable(name: "strongroom-bench", targets: ["strongroom-bench"])],
    dependencies: [
        .package(name: "strongroom", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .executableTarget(
            name: "strongroom-bench",
            dependencies: [
                .product(name: "StrongroomClient", package: "strongroom"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings)
    ]
)
