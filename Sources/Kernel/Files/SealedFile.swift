import CLinux

/// Anonymous files that nobody can change any more.
public enum SealedFile {
    /// `isExecutable`: to be executed by its descriptor. What a container could reach by /proc/PID/exe is then no file of
    /// the node's, and can't be written to.
    public static func make(name: String, _ bytes: UnsafeRawBufferPointer, isExecutable: Bool = false)
        throws(KernelError) -> FileDescriptor
    {
        try FileDescriptor(
            result: swl_sealed_memfd(name, bytes.baseAddress, bytes.count, isExecutable ? 1 : 0), "create",
            "anonymous file")
    }

    public static func make(name: String, _ bytes: [UInt8]) throws(KernelError) -> FileDescriptor {
        let result = bytes.withUnsafeBytes { swl_sealed_memfd(name, $0.baseAddress, $0.count, 0) }
        return try FileDescriptor(result: result, "create", "anonymous file")
    }
}
