import CLinux

/// Extended attributes of files (xattr(7)).
public enum ExtendedAttributes {
    /// Sets one of an open file; the errno where the kernel refuses, else nil.
    public static func set(_ name: String, to value: [UInt8], of descriptor: Int32) -> Int32? {
        let result = value.withUnsafeBytes { swl_fsetxattr(descriptor, name, $0.baseAddress, $0.count) }
        return result < 0 ? -result : nil
    }
}
