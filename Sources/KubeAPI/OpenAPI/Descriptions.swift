/// What `kubectl explain` says of types and fields, in our own words (`DescriptionData`). A name without an entry gets a
/// text made of it.
enum Descriptions {
    static func type(_ name: String) -> String { table[name] ?? "\(words(name, isCapital: true))." }

    /// By the owner's name and the field's, else by the field's alone.
    static func field(_ owner: String, _ field: String) -> String {
        table["\(owner).\(field)"] ?? table[".\(field)"]
            ?? "\(words(field, isCapital: true)) of the \(words(owner, isCapital: false))."
    }

    /// A query or path parameter.
    static func parameter(_ name: String) -> String { table["?\(name)"] ?? "\(words(name, isCapital: true))." }

    /// A column of a kind's table.
    static func column(_ kind: String, _ name: String) -> String { table["\(kind)|\(name)"] ?? table["|\(name)"] ?? "" }

    /// `terminationGracePeriodSeconds` → `Termination grace period seconds`
    private static func words(_ name: String, isCapital: Bool) -> String {
        var result = ""
        var wasUpper = true
        for character in name {
            if character.isUppercase, !wasUpper { result += " " }
            wasUpper = character.isUppercase
            result += result.isEmpty && isCapital ? character.uppercased() : character.lowercased()
        }
        return result
    }

    private static let table: [String: String] = {
        var table: [String: String] = [:]
        for data in [DescriptionData.text, AccessDescriptionData.text] {
            let text = data.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
            for line in text.split(separator: "\n") {
                guard let colon = line.firstIndex(of: ":") else { continue }
                table[String(line[..<colon])] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
        }
        return table
    }()
}
