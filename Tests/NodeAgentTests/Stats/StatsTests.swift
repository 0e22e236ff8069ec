import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

/// What the node says that its pods use.
@Suite struct StatsTests {
    private let machine = MachineReading(
        at: Timestamp(unixSeconds: 1000, nanos: 500_000_000), cpuNanos: 12_500_000_000,
        memory: ["MemTotal": 8000, "MemFree": 3000, "Inactive(file)": 1000, "AnonPages": 700], interfaces: [],
        mainInterface: nil)

    private func reading() throws -> PodReading {
        var run = Sample.running("abc")
        run.imageName = "docker.io/library/demo:1"
        let usage = UsageReading(
            cpuNanos: 1_500_000_000, workingSetBytes: 4096, memoryUsageBytes: 8192, rssBytes: 1024, pids: 3)
        var traffic = LinkTraffic()
        traffic.receivedBytes = 77
        return NodeReadings.reading(
            PodSnapshot(
                pod: try Sample.plainPod(), state: Sample.state(["main": run]), status: .emptyObject,
                timings: PodStartTimings(seenAt: Sample.start)),
            PodUsage(pod: usage, containers: ["abc": usage], traffic: traffic),
            at: Timestamp(unixSeconds: 1000, nanos: 250_000_000))
    }

    @Test func resourcesAsMetricsServerReadsThem() throws {
        let text = ResourceMetrics.text(machine: machine, pods: [try reading()])
        for line in [
            "container_cpu_usage_seconds_total{container=\"main\",namespace=\"default\",pod=\"web\"} 1.5 1000250",
            "container_memory_working_set_bytes{container=\"main\",namespace=\"default\",pod=\"web\"} 4096 1000250",
            "node_cpu_usage_seconds_total 12.5 1000500", "node_memory_working_set_bytes 4000 1000500",
            "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web\"} 1.5 1000250",
            "pod_memory_working_set_bytes{namespace=\"default\",pod=\"web\"} 4096 1000250", "resource_scrape_error 0",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(text.contains("container_start_time_seconds{container=\"main\",namespace=\"default\",pod=\"web\"} "))
    }

    @Test func containersAsDashboardsAskForThem() throws {
        let text = ContainerMetrics(machine: machine, pods: [try reading()], processors: 2).text()
        let group = "/besteffort/poduid-1"
        for line in [
            "container_cpu_usage_seconds_total{container=\"main\",cpu=\"total\",id=\"\(group)/abc\",image=\"docker.io/library/demo:1\",name=\"abc\",namespace=\"default\",pod=\"web\"} 1.5 1000250",
            "container_memory_rss{container=\"\",id=\"\(group)\",image=\"\",name=\"\",namespace=\"default\",pod=\"web\"} 1024 1000250",
            "container_network_receive_bytes_total{container=\"\",id=\"\(group)\",image=\"\",interface=\"eth0\",name=\"\",namespace=\"default\",pod=\"web\"} 77 1000250",
            "machine_cpu_cores 2", "machine_memory_bytes 8000",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(!text.contains("container_cpu_cfs_periods_total{"), "there is no quota")
    }

    @Test func aRateNeedsAReadingBefore() {
        let rates = RecentRates()
        let start = Timestamp(unixSeconds: 1000)
        #expect(rates.rate("a", 1_000_000_000, at: start) == nil)
        #expect(rates.rate("a", 1_100_000_000, at: start + .milliseconds(200)) == nil, "too short")
        #expect(rates.rate("a", 2_000_000_000, at: start + .seconds(2)) == 500_000_000)
        #expect(rates.rate("a", 2_500_000_000, at: start + .milliseconds(2100)) == 500_000_000, "the one before")
        #expect(rates.rate("a", 100, at: start + .seconds(4)) == nil, "counted anew")
        #expect(rates.rate("a", 200, at: start + .seconds(400)) == nil, "too long ago")
    }

    @Test func linksOfTheMachine() {
        let text = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
                lo: 1 2 0 0 0 0 0 0 1 2 0 0 0 0 0 0
              eth0: 1000 10 1 0 0 0 0 0 2000 20 2 0 0 0 0 0
            swl00000a: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0
            """
        #expect(
            MachineReading.interfaces(text) == [
                MachineReading.Interface(name: "eth0", received: 1000, receiveErrors: 1, sent: 2000, sendErrors: 2)
            ])
        let routes =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
            + "eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n"
        #expect(MachineReading.defaultInterface(routes) == "eth0")
    }

    @Test func theNodeSaysHowItIsSetUp() {
        let config = NodeConfigPage.json(Sample.config("/r"))["kubeletconfig"]
        #expect(config["port"] == 10250 && config["authorization"]["mode"] == "Webhook")
        #expect(config["authentication"]["anonymous"]["enabled"] == false)
        #expect(config["authorization"]["webhook"]["cacheAuthorizedTTL"] == "5m0s")
    }
}
