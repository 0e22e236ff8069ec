import KubeAPI
import Kernel
import Logging

/// The pod ranges that the node had when it last ran, so that pods can be made before the API is heard.
enum SavedRanges {
    /// Empty where there are none.
    static func read(_ path: String) -> [CIDR] {
        // Missing at the first start; a damaged one is told anew by the API.
        guard let bytes = try? DurableFile.read(path), let json = try? JSON.parse(bytes), json["format"].int == 1 else {
            return []
        }
        let all = json["podCIDRs"].items.compactMap { $0.string.flatMap { CIDR($0) } }
        // As earlier versions wrote it.
        return all.isEmpty ? [json["podCIDR"].string.flatMap { CIDR($0) }].compactMap(\.self) : all
    }

    static func write(_ ranges: [CIDR], to path: String, log: Logger) {
        guard read(path) != ranges else { return }
        let json: JSON = [
            "format": 1, "podCIDR": JSON(ranges.first?.description), "podCIDRs": JSON(ranges.map(\.description)),
        ]
        do throws(KernelError) {
            try DurableFile.write(json.serialized(), to: path, isSynced: false)
        } catch {
            log.warning("cannot keep the pod range", metadata: ["err": "\(error)"])
        }
    }
}

extension [CIDR] {
    /// `10.244.0.0/22,fd00:10:244::/64`
    var text: String { map(\.description).joined(separator: ",") }
}
