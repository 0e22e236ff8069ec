// program N M      programs N services of M endpoints from nothing, changes one endpoint a thousand times, restarts
// load N M         the same without changes; the last service leads to 10.244.0.5:9000
// churn N M COUNT  after `load`: COUNT services change every 50 ms for five seconds
// text N M         the rules as nft reads them
// one N M          the change of one endpoint as nft reads it
import Glibc
import KubeAPI
import Kernel
import Logging

@testable import ProxyDataPath

func address(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else { throw KernelError("read", text, code: EINVAL) }
    return address
}
func range(_ text: String) throws -> CIDR {
    guard let range = CIDR(text) else { throw KernelError("read", text, code: EINVAL) }
    return range
}
func number(_ position: Int) -> Int {
    CommandLine.arguments.count > position ? Int(CommandLine.arguments[position]) ?? 0 : 0
}

let (services, endpoints) = (number(2), number(3))
let ruleset = Ruleset(
    table: "swiftlet-0000", clusterRange: try range("10.244.0.0/16"), serviceRange: try range("10.96.0.0/12"),
    nodeAddress: try address("192.0.2.2"), layout: .standard)

/// The backends of a service; another `start` gives others.
func backends(_ service: Int, _ count: Int, from start: Int = 0) -> [Backend] {
    (start..<start + count).map { index in
        let number = service * (endpoints + 1) + index
        return Backend(
            address: IPAddress(ipv4: 0x0af4_0000 + UInt32(number % 65_000)), port: UInt16(8_080 + number / 65_000))
    }.sorted()
}
func change(_ service: Int, _ backends: [Backend]) -> ServiceChange {
    let name = ServicePortName(service: "default/s\(service)", port: "", proto: .tcp)
    let front = Front(.address(IPAddress(ipv4: 0x0a60_000a + UInt32(service)), 80), .tcp, isExternal: false)
    return ServiceChange(
        service: name.service, ports: [ServicePortState(name: name, fronts: [front], backends: backends)])
}
func all() throws -> [ServiceChange] {
    let server = Backend(address: try address("10.244.0.5"), port: 9_000)
    return (0..<services).map { change($0, $0 == services - 1 ? [server] : backends($0, endpoints)) }
}
func proxy(_ kernel: any NftKernel) -> NftablesProxy {
    NftablesProxy(
        kernel: kernel, conntrack: nil, ruleset: ruleset, nodeAddresses: [], log: Logger(label: "driver"))
}
func milliseconds(_ nanos: UInt64) -> String { "\(Double(nanos / 1000) / 1000)" }

switch CommandLine.arguments.dropFirst().first {
case "program":
    let connection = try NftConnection()
    let changes = try all()
    var start = monotonicNanos()
    let first = proxy(connection)
    try first.start(changes)
    print("from_nothing_ms \(milliseconds(monotonicNanos() - start))")
    for (name, shorter) in [("replaced", 0), ("scaled", 1)] {
        var kernel: [UInt64] = []
        var whole: [UInt64] = []
        for step in 0..<1_000 {
            let service = (step * 37) % max(1, services - 1)
            let others = shorter == 1 && endpoints > 1 ? endpoints - 1 : endpoints
            let isEven = step / max(1, services - 1) % 2 == 0
            let next = change(
                service, isEven ? backends(service, others, from: 1 - shorter) : backends(service, endpoints))
            start = monotonicNanos()
            try first.apply([next])
            whole.append(monotonicNanos() - start)
            kernel.append(connection.timing.lastNanos)
        }
        kernel.sort()
        whole.sort()
        print("\(name)_kernel_ms p50 \(milliseconds(kernel[500])) p99 \(milliseconds(kernel[990]))")
        print("\(name)_all_ms p50 \(milliseconds(whole[500])) p99 \(milliseconds(whole[990]))")
    }
    start = monotonicNanos()
    try proxy(connection).start(changes)
    print("restart_ms \(milliseconds(monotonicNanos() - start))")
case "load":
    try proxy(try NftConnection()).start(try all())
case "churn":
    let running = proxy(try NftConnection())
    try running.start(try all())
    let end = monotonicNanos() + 5_000_000_000
    var round = 0
    while monotonicNanos() < end {
        round += 1
        try running.apply((0..<number(4)).map { change($0, backends($0, endpoints, from: round % 2)) })
        usleep(50_000)
    }
    print("rounds \(round)")
case "text", "one":
    var plan = RulesetPlan(layout: .standard, inheriting: nil, services: services)
    for change in try all() { plan.apply(change) }
    plan.endInheritance()
    if CommandLine.arguments[1] == "text" {
        let reconciliation = Reconciliation(plan, ruleset, nodeAddresses: [], applied: nil)
        for transaction in reconciliation.transactions() { print(transaction.text, terminator: "") }
    } else {
        plan.apply(change(1, backends(1, endpoints, from: 1)))
        for transaction in plan.takeDiff().transactions(ruleset) { print(transaction.text, terminator: "") }
    }
default:
    print("usage: driver program|load|churn|text|one N M")
    exit(2)
}
