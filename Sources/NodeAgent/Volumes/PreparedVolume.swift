/// A volume that is ready to be mounted.
struct PreparedVolume: Sendable, Equatable {
    enum Source: Sendable, Equatable {
        /// A file or folder of the node.
        case path(String)
        /// In memory that the pod's supervisor holds.
        case memory(sizeBytes: Int64?)
    }

    var source: Source
    /// Containers may not write, whatever their mounts say: what the API gives is not theirs to change.
    var isReadOnly = false
}

/// Why a volume is not ready: the cause in the event `MountVolume.SetUp failed for volume "x" : …`.
struct VolumeError: Error, Sendable, Equatable, CustomStringConvertible {
    let volume: String
    let cause: String
    var description: String { "MountVolume.SetUp failed for volume \"\(volume)\" : \(cause)" }
}
