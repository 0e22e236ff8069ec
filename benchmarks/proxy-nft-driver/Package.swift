// swift-tools-version: 6.1
import PackageDescription

/// What `benchmarks/proxy-nft` needs of the proxy beside the daemon: its planner and its way to the kernel, over the
/// sources that the product has.
let package = Package(
    name: "proxy-nft-driver",
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .systemLibrary(name: "CNetfilter", pkgConfig: "libnftnl"),
        .systemLibrary(name: "CCap", pkgConfig: "libcap"),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1"),
        .target(name: "CLinux"),
        .target(
            name: "KubeAPI",
            dependencies: [
                "CYAML", .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Kernel",
            dependencies: ["CLinux", "CCap", "CSeccomp", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "ProxyDataPath",
            dependencies: ["KubeAPI", "Kernel", "CNetfilter", .product(name: "Logging", package: "swift-log")]),
        .executableTarget(
            name: "driver",
            dependencies: ["KubeAPI", "Kernel", "ProxyDataPath", .product(name: "Logging", package: "swift-log")]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c2x
)
