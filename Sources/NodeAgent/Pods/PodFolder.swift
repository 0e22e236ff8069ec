import KubeAPI
import Kernel

/// A pod's own files: hosts, hostname, resolv.conf.
struct PodFolder: Sendable {
    let context: KubeletContext
    let pod: Pod
    let hostname: String

    /// What does not need the pod's address.
    func prepare() async -> Result<Void, RuntimeError> {
        do {
            try FileTree.makeFolders(context.paths.memoryVolumes(pod.uid), mode: 0o755)
            // Those of ephemeral containers are made when they come.
            for container in pod.initContainers + pod.containers {
                try FileTree.makeFolders(context.paths.containerLogs(pod, container.name))
            }
            try HostFiles.writeAtomically(
                Array((hostname + "\n").utf8), to: context.paths.hostname(pod.uid), mode: 0o644, isDurable: false)
            // Without one the node has no resolver, and neither have its pods.
            let node = (try? HostFiles.read(context.config.resolvConf, limit: 64 << 10)) ?? []
            let resolver = PodFiles.resolver(
                pod: pod, node: PodFiles.Resolver(parsing: node), clusterDNS: context.config.clusterDNS,
                clusterDomain: context.config.clusterDomain)
            try HostFiles.writeAtomically(
                resolver.bytes, to: context.paths.resolvConf(pod.uid), mode: 0o644, isDurable: false)
            return .success(())
        } catch {
            return .failure(RuntimeError(.system, "\(error)"))
        }
    }

    func writeHosts(podIPs: [String]) throws(RuntimeError) {
        // A node without the file has no names to pass on.
        let nodeHosts = pod.hostNetwork ? try? HostFiles.read("/etc/hosts", limit: 1 << 20) : nil
        let text = PodFiles.hosts(
            pod: pod, podIPs: podIPs, clusterDomain: context.config.clusterDomain, nodeHosts: nodeHosts)
        do throws(FileError) {
            try HostFiles.writeAtomically(text, to: context.paths.etcHosts(pod.uid), mode: 0o644, isDurable: false)
        } catch {
            throw RuntimeError(.system, "\(error)")
        }
    }
}
