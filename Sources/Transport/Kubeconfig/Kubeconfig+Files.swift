import KubeAPI

extension Kubeconfig {
    /// Reads YAML (or JSON). Relative paths in it begin at `directory`.
    public static func parse(_ bytes: [UInt8], directory: String = ".") throws -> Kubeconfig {
        let documents: [JSON]
        do {
            documents = try YAML.parse(bytes)
        } catch {
            throw Invalid("kubeconfig cannot be parsed: \(error)")
        }
        guard documents.count <= 1 else { throw Invalid("kubeconfig has more than one document") }
        return try Kubeconfig(document: documents.first ?? .emptyObject, directory: directory)
    }

    public static func load(_ path: String) throws -> Kubeconfig {
        let bytes = try PrivateFile.read(path)
        do {
            return try parse(bytes, directory: path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ".")
        } catch let error as Invalid {
            throw Invalid("cannot use \(path): \(error)")
        }
    }

    /// As YAML, the form in which people read and edit these files.
    public func serialized() -> [UInt8] { Array(YAML.serialize(document).utf8) }

    /// Merges this one into the file at `path`, which is made where it is missing. Readable by its owner alone.
    public func merge(intoFile path: String) throws {
        var existing: Kubeconfig
        do {
            existing = try Kubeconfig.load(path)
        } catch let error as PrivateFile.Failure where error.isMissing {
            existing = try Kubeconfig(document: .emptyObject)
            if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
                try PrivateFile.makeDirectory(String(path[..<slash]))
            }
        }
        existing.merge(self)
        try PrivateFile.write(existing.serialized(), to: path)
    }
}
