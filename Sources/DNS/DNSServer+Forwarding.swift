import Kernel
import KubeAPI

/// Questions for the resolvers behind. All of it runs under the lock, and what touches sockets on the loop's thread.
extension DNSServer {
    /// Questions that may be under way at once.
    private static let flightLimit = 1024

    /// What a client gets at once: a held answer with its age, a code, or nothing yet.
    enum Forwarded {
        case held(OutsideAnswer, age: UInt32)
        case refused(UInt16)
        case later
    }

    /// Finds the answer to a question for others, or sends for it.
    func forward(_ outside: Responder.Outside, _ waiter: Flight.Waiter, _ state: inout ServerState) -> Forwarded {
        if let server = state.probes.removeValue(forKey: outside.name) {
            loop.post { [weak self] in self?.foundCircle(server) }
            return .refused(ResponseCode.serverFailure)
        }
        guard waiter.request.isRecursionDesired else { return .refused(ResponseCode.refused) }
        state.counts.forwarded += 1
        let key = OutsideCache.Key(outside)
        if let (answer, age) = state.cache.find(key, now: Self.now()) {
            state.counts.cacheHits += 1
            return .held(answer, age: age)
        }
        if let flight = state.flights[key] {
            guard flight.waiters.count < Flight.waiterLimit else { return .refused(ResponseCode.serverFailure) }
            flight.waiters.append(waiter)
            return .later
        }
        guard !state.servers.isEmpty, state.flights.count < Self.flightLimit else {
            state.counts.failures += 1
            return .refused(ResponseCode.serverFailure)
        }
        let flight = Flight(key: key, servers: state.servers)
        flight.waiters.append(waiter)
        state.flights[key] = flight
        loop.post { [weak self] in self?.launch(key) }
        return .later
    }

    /// Sends a question that has been put down.
    func launch(_ key: OutsideCache.Key) {
        refreshServers()
        state.withLock { state in
            guard let flight = state.flights[key] else { return }
            attempt(flight, &state)
        }
    }

    /// The next attempt, or the one after it where that fails at once.
    private func attempt(_ flight: Flight, _ state: inout ServerState, isStream: Bool = false) {
        var isStream = isStream
        while isStream || flight.canRetry {
            release(flight)
            do throws(KernelError) {
                try flight.begin(isStream: isStream)
                guard let descriptor = flight.descriptor else { continue }
                let key = flight.key
                flight.token = try loop.watch(descriptor, isStream ? .writable : .readable) { [weak self] _ in
                    self?.arrived(key)
                }
                flight.timer = loop.after(Flight.attemptTimeout) { [weak self] in self?.timedOut(key) }
                return
            } catch {
                note(flight, "\(error)")
                isStream = false
            }
        }
        conclude(flight, nil, &state)
    }

    private func note(_ flight: Flight, _ problem: String) {
        log.debug(
            "a resolver behind does not answer", metadata: ["resolver": "\(flight.server)", "err": "\(problem)"])
    }

    private func release(_ flight: Flight) {
        if let token = flight.token { loop.cancel(token) }
        if let timer = flight.timer { loop.cancelTimer(timer) }
        flight.token = nil
        flight.timer = nil
        flight.close()
    }

    private func timedOut(_ key: OutsideCache.Key) {
        state.withLock { state in
            guard let flight = state.flights[key] else { return }
            note(flight, "no answer in time")
            flight.timer = nil
            attempt(flight, &state)
        }
    }

    private func arrived(_ key: OutsideCache.Key) {
        state.withLock { state in
            guard let flight = state.flights[key] else { return }
            switch flight.proceed() {
            case .waiting:
                if flight.isStream, let token = flight.token { loop.change(token, .readable) }
            case .failed(let error):
                note(flight, error.map { "\($0)" } ?? "it says no answer")
                attempt(flight, &state)
            case .answered(let answer):
                let isUseless = [ResponseCode.serverFailure, ResponseCode.refused].contains(answer.code)
                if answer.isTruncated, !flight.isStream, flight.waiters.contains(where: { $0.origin.isStream }) {
                    attempt(flight, &state, isStream: true)
                } else if isUseless, flight.servers.count > 1, flight.attempt < flight.servers.count {
                    attempt(flight, &state)
                } else {
                    conclude(flight, answer, &state)
                }
            }
        }
    }

    /// Tells everybody who waits.
    private func conclude(_ flight: Flight, _ answer: OutsideAnswer?, _ state: inout ServerState) {
        release(flight)
        state.flights[flight.key] = nil
        if let answer {
            state.cache.insert(flight.key, answer, now: Self.now())
        } else if !flight.waiters.isEmpty {
            state.counts.failures += 1
        }
        withUnsafeTemporaryAllocation(byteCount: MessageSize.stream, alignment: 8) { out in
            for waiter in flight.waiters {
                let length = waiter.query.withUnsafeBytes { query in
                    Self.reply(answer, age: 0, query, waiter.request, waiter.aliases, out, waiter.origin.isStream)
                }
                send(UnsafeMutableRawBufferPointer(rebasing: out[..<length]), to: waiter.origin, &state)
            }
        }
    }

    /// An answer of others in the form that this client takes; without one, that it has failed.
    static func reply(
        _ answer: OutsideAnswer?, age: UInt32, code: UInt16 = ResponseCode.serverFailure,
        _ query: UnsafeRawBufferPointer, _ request: DNSRequest, _ aliases: [[UInt8]],
        _ out: UnsafeMutableRawBufferPointer, _ isStream: Bool
    ) -> Int {
        let limit = isStream ? MessageSize.stream : request.payloadSize
        if let answer { return answer.reply(to: query, request, aliases: aliases, age: age, out, limit: limit) }
        var writer = AnswerWriter(out, answering: request, query, limit: limit)
        return writer.finish(code: code, isAuthoritative: false)
    }

    private func send(_ bytes: UnsafeMutableRawBufferPointer, to origin: Flight.Origin, _ state: inout ServerState) {
        switch origin {
        case .datagram(let peer):
            let datagram = Datagram(bytes: bytes.baseAddress, count: UInt32(bytes.count), peer: peer)
            // What the socket does not take is lost, as on any way; the client asks again.
            _ = withUnsafePointer(to: datagram) {
                Sockets.send(state.datagramSocket, UnsafeBufferPointer(start: $0, count: 1))
            }
        case .stream(let number):
            guard let stream = state.streams[number] else { return }
            stream.queue(UnsafeRawBufferPointer(bytes))
            StreamFront.flush(stream, number, self, &state)
        }
    }

    /// What a query gets: written into `out`, or later. Under the lock.
    func answer(
        _ query: UnsafeRawBufferPointer, from origin: Flight.Origin, into out: UnsafeMutableRawBufferPointer,
        _ state: inout ServerState
    ) -> Int? {
        state.counts.queries += 1
        switch state.responder.answer(query, into: out, isStream: origin.isStream) {
        case .reply(let length):
            return length
        case .ignore:
            return nil
        case .forward(let outside):
            guard let request = Self.request(query) else { return nil }
            let waiter = Flight.Waiter(
                query: Array(query), request: request, origin: origin, aliases: outside.aliases)
            switch forward(outside, waiter, &state) {
            case .later:
                return nil
            case .held(let answer, let age):
                return Self.reply(answer, age: age, query, request, outside.aliases, out, origin.isStream)
            case .refused(let code):
                return Self.reply(nil, age: 0, code: code, query, request, outside.aliases, out, origin.isStream)
            }
        }
    }

    private static func request(_ query: UnsafeRawBufferPointer) -> DNSRequest? {
        withUnsafeTemporaryAllocation(byteCount: DNSName.maxLength, alignment: 1) { name in
            // It has been read once already.
            try? DNSRequest(query, name: name)
        }
    }
}
