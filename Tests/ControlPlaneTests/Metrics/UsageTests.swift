import KubeAPI
import Logging
import Synchronization
import Testing

@testable import ControlPlane

/// How what nodes say becomes what `kubectl top` shows.
@Suite struct UsageTests {
    private static func page(_ cpu: Double, node: Double, at millis: Int64, started: Double = 90) -> [UInt8] {
        Array(
            """
            # HELP container_cpu_usage_seconds_total Words
            # TYPE container_cpu_usage_seconds_total counter
            container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} \(cpu) \(millis)
            container_memory_working_set_bytes{container="main",namespace="default",pod="web"} 4096 \(millis)
            container_start_time_seconds{container="main",namespace="default",pod="web"} \(started) \(millis)
            container_cpu_usage_seconds_total{container="half",namespace="default",pod="other"} 1 \(millis)
            node_cpu_usage_seconds_total \(node) \(millis)
            node_memory_working_set_bytes 1.048576e+06 \(millis)
            nonsense{
            also="nonsense"} x

            """.utf8)
    }

    private func history(_ pages: [(seconds: Int, page: [UInt8])]) -> UsageHistory {
        var history = UsageHistory()
        let start = ContinuousClock.now
        for (seconds, page) in pages { history.add(ResourceScrape(page), at: start + .seconds(seconds)) }
        return history
    }

    @Test func aPageIsRead() {
        let scrape = ResourceScrape(Self.page(1.5, node: 3, at: 100_250))
        #expect(
            scrape.node
                == ResourceScrape.Reading(
                    at: Timestamp(unixNanos: 100_250_000_000), cpuSeconds: 3, memoryBytes: 1_048_576))
        let key = ResourceScrape.ContainerKey(namespace: "default", pod: "web", container: "main")
        #expect(scrape.containers[key]?.cpuSeconds == 1.5 && scrape.containers[key]?.startedAt == 90)
        #expect(scrape.containers.count == 1, "one without memory is not whole")
        let odd = ResourceScrape(Array(#"container_cpu_usage_seconds_total{pod="a\"b",x="c\\d"#.utf8))
        #expect(odd.containers.isEmpty && odd.node == ResourceScrape.Reading())
    }

    @Test func aRateIsMadeOfTwoReadings() {
        let history = history([
            (0, Self.page(1, node: 2, at: 100_000)), (2, Self.page(2, node: 5, at: 102_000)),
        ])
        #expect(
            history.node
                == UsageHistory.Usage(
                    cpuNanoCores: 1_500_000_000, memoryBytes: 1_048_576, at: Timestamp(unixSeconds: 102),
                    window: .seconds(2)))
        #expect(history.pods["default/web"]?.first?.usage.cpuNanoCores == 500_000_000)
    }

    @Test func theWindowIsFifteenSecondsWhereItCanBe() {
        let history = history([
            (0, Self.page(1, node: 0, at: 100_000)), (4, Self.page(1, node: 0, at: 104_000)),
            (10, Self.page(1, node: 0, at: 110_000)), (20, Self.page(5, node: 8, at: 120_000)),
        ])
        #expect(history.node?.window == .seconds(16))
        let young = self.history([(0, Self.page(1, node: 0, at: 100_000))])
        #expect(!young.isUsable && young.node == nil)
    }

    @Test func oneThatWasStartedBetweenCountsFromItsStart() {
        let history = history([
            (0, Self.page(50, node: 0, at: 100_000)), (10, Self.page(2, node: 0, at: 110_000, started: 106)),
        ])
        let usage = history.pods["default/web"]?.first?.usage
        #expect(usage?.cpuNanoCores == 500_000_000 && usage?.window == .seconds(4))
    }

    @Test func readingsThatAreTooOldAreForgotten() {
        let history = history([(0, Self.page(1, node: 0, at: 100_000)), (200, Self.page(2, node: 0, at: 300_000))])
        #expect(!history.isUsable)
    }

    @Test func whoAsksAtTheSameTimeSharesTheReadings() async {
        let count = Mutex(0)
        let collector = UsageCollector(log: Logger(label: "test")) { node in
            if node.name == "gone" { throw APIConnectionError("no answer") }
            let turn = count.withLock { count in
                count += 1
                return count
            }
            return Self.page(Double(turn), node: Double(turn), at: 100_000 + Int64(turn) * 1000)
        }
        let nodes = ["node1", "gone"].map {
            KubeletClient.Node(name: $0, address: KubeletClient.Address(host: "192.0.2.1", port: 1))
        }
        async let first = collector.usage(of: nodes)
        async let second = collector.usage(of: nodes)
        let (one, other) = await (first, second)
        #expect(one.keys.sorted() == ["node1"] && other.keys.sorted() == ["node1"])
        #expect(one["node1"]?.node?.cpuNanoCores == 1_000_000_000)
        #expect(count.withLock { $0 } == 2)
    }
}
