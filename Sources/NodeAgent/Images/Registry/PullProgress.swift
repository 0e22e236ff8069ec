import Synchronization

/// How far a pull has come. Shared by all who wait for it.
public final class PullProgress: Sendable {
    /// A moment of it.
    public struct Snapshot: Sendable, Equatable {
        /// Of all layers that have to be fetched, compressed; 0 as long as that is not known.
        public var totalBytes: Int64 = 0
        /// Of these, what is here: also what an earlier pull has left.
        public var receivedBytes: Int64 = 0
        /// Layers that have to be fetched, and those that are unpacked.
        public var layers = 0
        public var unpackedLayers = 0

        public init() {}
    }
    private let state = Mutex(Snapshot())

    public init() {}

    public var snapshot: Snapshot { state.withLock { $0 } }

    func expects(_ bytes: Int64, layers: Int) {
        state.withLock {
            $0.totalBytes = bytes
            $0.layers = layers
        }
    }
    func received(_ bytes: Int) { state.withLock { $0.receivedBytes += Int64(bytes) } }
    func unpackedLayer() { state.withLock { $0.unpackedLayers += 1 } }
}
