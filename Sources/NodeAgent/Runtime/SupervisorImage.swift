import CPodInit
import Kernel

/// The supervisor's program, which this one carries inside (Sources/PodInit).
enum SupervisorImage {
    /// False in a build without it, as of the unit tests alone.
    static var isBuilt: Bool { swl_podinit_image_size() > 0 }

    /// As an anonymous file that nobody can change: a container that comes by it (CVE-2019-5736) finds no file of the
    /// node's.
    static func open() throws(KernelError) -> FileDescriptor {
        let bytes = UnsafeRawBufferPointer(start: swl_podinit_image(), count: swl_podinit_image_size())
        return try SealedFile.make(name: "podinit", bytes, isExecutable: true)
    }
}
