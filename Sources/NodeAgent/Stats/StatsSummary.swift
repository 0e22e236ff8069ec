import Glibc
import KubeAPI
import Kernel

/// What the node and its pods use now: the kubelet's `/stats/summary` (its v1alpha1). What can't be read is absent.
struct StatsSummary: Sendable {
    let context: KubeletContext
    let readings: NodeReadings
    let processors: ProcessorTime
    let rates: RecentRates

    /// - Parameter isNarrow: processor and memory alone (`only_cpu_and_memory=true`).
    func json(isNarrow: Bool = false) async -> JSON {
        let pods = await readings.pods().map { pod($0, isNarrow: isNarrow) }
        rates.prune()
        return ["node": node(isNarrow: isNarrow), "pods": .array(pods)]
    }

    // MARK: the node

    private func node(isNarrow: Bool) -> JSON {
        let machine = MachineReading.read(processors)
        let time = JSON.string(machine.at.rfc3339)
        var node: JSON = [
            "nodeName": .string(context.config.nodeName), "startTime": JSON(Self.bootTime()?.rfc3339),
            "memory": [
                "time": time, "availableBytes": .int(machine.availableBytes), "usageBytes": .int(machine.usageBytes),
                "workingSetBytes": .int(machine.workingSetBytes), "rssBytes": .int(machine.rssBytes),
            ],
        ]
        if let nanos = machine.cpuNanos { node["cpu"] = cpu("node", nanos, machine.at) }
        guard !isNarrow else { return node }
        var network: JSON = ["time": time, "interfaces": .array(machine.interfaces.map(Self.interface))]
        if let main = machine.interfaces.first(where: { $0.name == machine.mainInterface }) {
            for (key, value) in Self.interface(main).object ?? JSONObject() { network[key] = value }
        }
        node["network"] = network
        if let space = DiskSpace.of(context.config.dataDir) {
            // One file system holds images, logs and volumes.
            node["fs"] = Self.disk(space, time)
            node["runtime"] = ["imageFs": Self.disk(space, time, withUse: false)]
        }
        node["rlimit"] = processes(time)
        return node
    }

    private static func interface(_ interface: MachineReading.Interface) -> JSON {
        [
            "name": .string(interface.name), "rxBytes": number(interface.received),
            "rxErrors": number(interface.receiveErrors), "txBytes": number(interface.sent),
            "txErrors": number(interface.sendErrors),
        ]
    }

    /// How much of the disk images take by themselves is not known without walking them.
    private static func disk(_ space: DiskSpace, _ time: JSON, withUse: Bool = true) -> JSON {
        var json: JSON = [
            "time": time, "availableBytes": .int(space.availableBytes), "capacityBytes": .int(space.totalBytes),
            "inodesFree": .int(space.freeInodes), "inodes": .int(space.totalInodes),
        ]
        guard withUse else { return json }
        json["usedBytes"] = .int(space.totalBytes - space.freeBytes)
        json["inodesUsed"] = .int(space.totalInodes - space.freeInodes)
        return json
    }

    private func processes(_ time: JSON) -> JSON {
        guard let limit = NodePressure.processLimit(), let count = NodePressure.processes() else { return .null }
        return ["time": time, "maxpid": .int(limit), "curproc": .int(count)]
    }

    static func bootTime() -> Timestamp? {
        var now = timespec()
        guard clock_gettime(CLOCK_BOOTTIME, &now) == 0 else { return nil }
        return Timestamp.now() - .nanoseconds(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }

    // MARK: pods

    private func pod(_ reading: PodReading, isNarrow: Bool) -> JSON {
        let pod = reading.pod
        let time = JSON.string(reading.at.rfc3339)
        var json: JSON = [
            "podRef": ["name": .string(pod.name), "namespace": .string(pod.namespace), "uid": .string(pod.uid)],
            "startTime": JSON(reading.startedAt?.rfc3339),
            "cpu": cpu(pod.uid, reading.usage.cpuNanos, reading.at),
            "memory": Self.memory(reading.usage, nil, time),
        ]
        json["containers"] = .array(
            reading.containers.map { container in
                [
                    "name": .string(container.name), "startTime": JSON(container.run.startedAt?.rfc3339),
                    "cpu": cpu(container.run.id, container.usage.cpuNanos, reading.at),
                    "memory": Self.memory(container.usage, container.memoryLimit, time),
                ]
            })
        guard !isNarrow else { return json }
        json["process_stats"] = ["process_count": Self.number(reading.usage.pids)]
        if let traffic = reading.traffic {
            let link: JSON = [
                "name": "eth0", "rxBytes": Self.number(traffic.receivedBytes),
                "rxErrors": Self.number(traffic.receiveErrors), "txBytes": Self.number(traffic.sentBytes),
                "txErrors": Self.number(traffic.sendErrors),
            ]
            json["network"] = link
            json["network"]["time"] = time
            json["network"]["interfaces"] = [link]
        }
        return json
    }

    private static func number(_ value: UInt64) -> JSON { .int(Int64(clamping: value)) }

    private func cpu(_ key: String, _ nanos: UInt64, _ time: Timestamp) -> JSON {
        var json: JSON = ["time": .string(time.rfc3339), "usageCoreNanoSeconds": Self.number(nanos)]
        if let rate = rates.rate(key, nanos, at: time) { json["usageNanoCores"] = Self.number(rate) }
        return json
    }

    private static func memory(_ reading: UsageReading, _ limit: Int64?, _ time: JSON) -> JSON {
        var json: JSON = [
            "time": time, "usageBytes": number(reading.memoryUsageBytes),
            "workingSetBytes": number(reading.workingSetBytes), "rssBytes": number(reading.rssBytes),
            "pageFaults": number(reading.pageFaults), "majorPageFaults": number(reading.majorPageFaults),
        ]
        if let limit { json["availableBytes"] = .int(max(0, limit - Int64(clamping: reading.workingSetBytes))) }
        return json
    }
}
