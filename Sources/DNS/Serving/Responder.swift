import KubeAPI

/// Decides what a query gets: an answer from memory, or the way to the resolvers behind.
struct Responder {
    enum Verdict: Equatable {
        /// The answer, of that many bytes.
        case reply(Int)
        /// Nothing is answered.
        case ignore
        /// Others know: the question as it stands, or `alias` instead of its name, to which the records lead.
        case forward(Outside)
    }

    /// A question for the resolvers behind.
    struct Outside: Equatable {
        /// In lower case.
        let name: DNSName
        let type: UInt16
        let recordClass: UInt16
        let wantsSignatures: Bool
        /// Aliases from the asked name on, whole records.
        var aliases: [[UInt8]] = []
    }

    /// Aliases may lead to aliases: this often.
    private static let aliasLimit = 8

    var zone: ClusterZone
    /// Ranges whose reverse names are nobody's but ours.
    let ranges: [CIDR]
    private let authority: [UInt8]
    private let pods: DNSName?
    private var turn = 0

    init(zone: ClusterZone, ranges: [CIDR]) {
        self.zone = zone
        self.ranges = ranges
        authority = ZoneAuthority(zone.domain)?.record ?? []
        pods = zone.domain.adding("pod")
    }

    /// Answers into `out`, which holds as much as the way carries: a stream's message, or a datagram, for which the
    /// client's own limit counts as well.
    mutating func answer(
        _ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer, isStream: Bool
    ) -> Verdict {
        withUnsafeTemporaryAllocation(byteCount: DNSName.maxLength, alignment: 1) { scratch in
            let request: DNSRequest
            do throws(DNSRequest.Problem) {
                request = try DNSRequest(bytes, name: scratch)
            } catch {
                guard case .refused(let code, let id, let flags) = error else { return .ignore }
                return .reply(AnswerWriter.refusal(out, code: code, id: id, flags: flags))
            }
            let name = UnsafeRawBufferPointer(rebasing: scratch[..<request.nameLength])
            return answer(request, name, bytes, out, limit: isStream ? MessageSize.stream : request.payloadSize)
        }
    }

    private mutating func answer(
        _ request: DNSRequest, _ name: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer,
        _ out: UnsafeMutableRawBufferPointer, limit: Int
    ) -> Verdict {
        var writer = AnswerWriter(out, answering: request, bytes, limit: limit)
        guard request.version == 0 else {
            return .reply(writer.finish(code: ResponseCode.badVersion, isAuthoritative: false))
        }
        guard request.recordClass == RecordClass.internet, !(128...254).contains(request.type),
            request.type != RecordType.opt
        else {
            return .reply(writer.finish(code: ResponseCode.refused, isAuthoritative: false))
        }
        if let node = zone.table.find(name) {
            turn &+= 1
            if let answer = zone.table.answer(node, request.type) {
                writer.add(answer, first: turn)
                writer.addGlue(answer)
                return .reply(writer.finish(code: ResponseCode.success, isAuthoritative: true))
            }
            if let alias = zone.table.answer(node, RecordType.cname) {
                return follow(alias, request, &writer)
            }
            writer.addAuthority(authority)
            return .reply(writer.finish(code: ResponseCode.success, isAuthoritative: true))
        }
        if let address = podAddress(name) {
            if RecordBytes.addressType(address) == request.type {
                writer.add(PreparedAnswer(type: request.type, [.address(address)], ttl: ClusterZone.ttl), first: 0)
            } else {
                writer.addAuthority(authority)
            }
            return .reply(writer.finish(code: ResponseCode.success, isAuthoritative: true))
        }
        if DNSName.isWithin(name, zone.domain) || isOwnReverse(name) {
            writer.addAuthority(authority)
            return .reply(writer.finish(code: ResponseCode.nameError, isAuthoritative: true))
        }
        return .forward(
            Outside(
                name: DNSName(wire: Array(name)), type: request.type, recordClass: request.recordClass,
                wantsSignatures: request.wantsSignatures))
    }

    /// Goes on at the name that an alias names: in our own zone at once, else by asking others.
    private mutating func follow(
        _ alias: PreparedAnswer, _ request: DNSRequest, _ writer: inout AnswerWriter
    ) -> Verdict {
        var records = [alias.bytes]
        writer.add(alias, first: 0)
        var target = Self.target(of: alias)
        for _ in 0..<Self.aliasLimit {
            guard let node = zone.table.find(target) else { break }
            let owner = target.wire
            if let answer = zone.table.answer(node, request.type) {
                // The prepared records point to the question's name: these have another.
                for record in Self.records(of: answer, owner: owner) { writer.add(record: record) }
                return .reply(writer.finish(code: ResponseCode.success, isAuthoritative: true))
            }
            guard let next = zone.table.answer(node, RecordType.cname) else {
                writer.addAuthority(authority)
                return .reply(writer.finish(code: ResponseCode.success, isAuthoritative: true))
            }
            for record in Self.records(of: next, owner: owner) {
                writer.add(record: record)
                records.append(record)
            }
            target = Self.target(of: next)
        }
        if target.isWithin(zone.domain) {
            writer.addAuthority(authority)
            let isCircle = zone.table.find(target) != nil
            return .reply(
                writer.finish(
                    code: isCircle ? ResponseCode.serverFailure : ResponseCode.nameError, isAuthoritative: true))
        }
        return .forward(
            Outside(
                name: target, type: request.type, recordClass: request.recordClass,
                wantsSignatures: request.wantsSignatures, aliases: records))
    }

    private static let ownerLength = RecordBytes.questionName.count

    private static func target(of alias: PreparedAnswer) -> DNSName {
        // Behind the owner: type, class, time, length.
        DNSName(wire: Array(alias.bytes.prefix(alias.stride).dropFirst(ownerLength + 10)))
    }

    private static func records(of answer: PreparedAnswer, owner: [UInt8]) -> [[UInt8]] {
        var records: [[UInt8]] = []
        answer.bytes.withUnsafeBytes { bytes in
            var index = 0
            while let record = index < bytes.count ? MessageRecord(bytes, at: index) : nil {
                records.append(owner + bytes[(index + ownerLength)..<record.end])
                index = record.end
            }
        }
        return records
    }

    /// The address in a pod's name, `10-244-0-5.default.pod.cluster.local`, in a namespace that exists.
    private func podAddress(_ name: UnsafeRawBufferPointer) -> IPAddress? {
        guard let pods, DNSName.isWithin(name, pods) else { return nil }
        let wire = DNSName(wire: Array(name))
        guard let namespace = wire.parent, namespace.parent == pods, zone.table.find(namespace) != nil,
            let label = wire.labels.first
        else { return nil }
        if let address = IPAddress(String(label.map { $0 == "-" ? "." : $0 })), address.isIPv4 { return address }
        guard let address = IPAddress(String(label.map { $0 == "-" ? ":" : $0 })), address.isIPv6 else { return nil }
        return address
    }

    private func isOwnReverse(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.count > 6, name[name.count - 6] == 4, name[name.count - 2] == UInt8(ascii: "a"),
            let address = DNSName(wire: Array(name)).reversedAddress
        else { return false }
        return ranges.contains { $0.contains(address) }
    }
}
