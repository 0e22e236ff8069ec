/// The `metadata.uid` of objects.
public enum ObjectUID {
    /// A random UUID (version 4, RFC 9562), lower case, from the system's random source.
    public static func random() -> String {
        var random = SystemRandomNumberGenerator()
        let high = random.next() & 0xffff_ffff_ffff_0fff | 0x4000
        let low = random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var count = 0
            for position in 0..<32 {
                if position == 8 || position == 12 || position == 16 || position == 20 {
                    buffer[count] = UInt8(ascii: "-")
                    count += 1
                }
                let word = position < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - position % 16 * 4)) & 15
                buffer[count] = digit < 10 ? 0x30 + digit : 0x57 + digit
                count += 1
            }
            return count
        }
    }
}
