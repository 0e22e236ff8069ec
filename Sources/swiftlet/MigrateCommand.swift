import ArgumentParser
import ControlPlane
import KubeAPI
import Logging

/// `swiftlet migrate`: moves a cluster's data from one store to the other.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Move the cluster's data from the file in the data folder to etcd, or back.",
        discussion: """
            No server may work on it meanwhile: stop swiftlet first. Pods go on running. Objects keep their uids and all \
            else but their resource versions, which go on above the old ones.
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable { case sqlite, etcd }

    @OptionGroup var global: GlobalOptions
    @Option(help: "Where the data is: sqlite or etcd.")
    var from: Kind
    @Option(help: "Where it is to be: etcd or sqlite.")
    var to: Kind
    @OptionGroup(title: "etcd") var etcd: EtcdOptions

    func validate() throws {
        guard from != to else { throw ValidationError("--from and --to must differ") }
        guard !etcd.etcdServers.isEmpty else { throw ValidationError("migrate needs --etcd-servers") }
    }

    func run() async throws {
        let paths = global.paths
        let log = global.logger("migrate")
        guard let config = try etcd.config(eventTTL: .seconds(3600)) else { return }
        do {
            let cluster = try ClusterPKI.fingerprint(dataDir: paths.dataDir)
            switch to {
            case .etcd:
                let outcome = try await StoreMigration.toEtcd(file: paths.store, config, cluster: cluster, log: log)
                printOut(
                    "moved \(outcome.objects) objects to etcd; resource versions go on at \(outcome.revision). Start "
                        + "swiftlet with --etcd-servers from now on; \(paths.store).migrated is the old store.")
            case .sqlite:
                let outcome = try await StoreMigration.toFile(paths.store, from: config, cluster: cluster, log: log)
                printOut(
                    "moved \(outcome.objects) objects to \(paths.store); resource versions go on at "
                        + "\(outcome.revision). Start swiftlet without --etcd-servers from now on.")
            }
        } catch let error as StoreError {
            throw CommandError("\(error)")
        } catch let error as PKIError {
            throw CommandError("\(error)")
        }
    }
}
