import Transport

extension EtcdStore {
    /// etcd refuses all requests when 5,000 wait for their turn.
    private static let maxInFlight = 256

    public func submit(_ write: StoreWrite, completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void) {
        if isClosing.load(ordering: .acquiring) { return completion(.failure(.closed)) }
        start()
        waitingWrites.add(1, ordering: .relaxed)
        client.channel.run { [self] in
            if let broken { return finish(nil, .failure(broken), completion) }
            let pendingWrite = PendingWrite(write)
            pending[write.key, default: []].append(pendingWrite)
            if inFlight < Self.maxInFlight {
                inFlight += 1
                perform(pendingWrite, isFirst: true, completion)
            } else {
                queued.append((pendingWrite, completion))
            }
        }
    }

    /// A transaction was answered: others take its place.
    private func landed() {
        inFlight -= 1
        while inFlight < Self.maxInFlight, let (item, completion) = queued.popFirst() {
            guard ContinuousClock.now - item.submitted < EtcdClient.timeout else {
                finish(item, .failure(.unavailable("etcd at \(place) has not taken the write in time")), completion)
                continue
            }
            inFlight += 1
            perform(item, isFirst: true, completion)
        }
    }

    private func perform(
        _ pendingWrite: PendingWrite, isFirst: Bool,
        _ completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        let write = pendingWrite.write
        nonisolated(unsafe) let item = pendingWrite  // stays on the client's thread
        // Events end with a lease, whether or not a controller looks after them.
        guard write.value != nil, EtcdLeases.isLeased(write.key) else {
            return transact(item, lease: 0, isFirst: isFirst, completion)
        }
        leases.current { [self] result in
            switch result {
            case .success(let lease): transact(item, lease: lease, isFirst: isFirst, completion)
            case .failure(let error):
                failed(item, error, completion)
                landed()
            }
        }
    }

    private func transact(
        _ pendingWrite: PendingWrite, lease: Int64, isFirst: Bool,
        _ completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        let write = pendingWrite.write
        let expected: Int64 = if case .revision(let revision) = write.expected { revision } else { 0 }
        let action: EtcdAction = write.value.map { .put($0, lease: lease) } ?? .delete
        nonisolated(unsafe) let item = pendingWrite  // stays on the client's thread
        client.transact(
            EtcdTransaction(key: keys.path(write.key), condition: .revision(expected), action: action)
        ) { [self] result in
            switch result {
            case .success(let (response, isRepeated)):
                check(response.header)
                if broken == nil { setTrouble(nil) }
                answered(item, response, isRepeated: isRepeated, completion)
                landed()
            case .failure(let error) where error.isLeaseGone && isFirst:
                leases.forget()
                perform(item, isFirst: false, completion)
            case .failure(let error):
                failed(item, error, completion)
                landed()
            }
        }
    }

    private func answered(
        _ item: PendingWrite, _ response: EtcdTransactionResponse, isRepeated: Bool,
        _ completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        nonisolated(unsafe) let item = item  // stays on the client's thread
        let write = item.write
        let now = response.header.revision
        func settle(at revision: Int64, _ result: Result<Int64, StoreError>) {
            whenSeen(revision) { [self] failure in
                finish(item, failure.map { .failure($0) } ?? result, completion)
            }
        }
        if response.hasSucceeded { return settle(at: now, .success(now)) }
        guard let current = response.current else {
            // The deletion that an earlier attempt has done, or somebody's.
            let result: Result<Int64, StoreError> =
                isRepeated && write.value == nil ? .success(now) : .failure(.notFound)
            return whenCurrent { [self] failure in
                finish(item, failure.map { .failure($0) } ?? result, completion)
            }
        }
        // What an earlier attempt has written.
        if isRepeated, let value = write.value, current.value == value {
            return settle(at: current.revision, .success(current.revision))
        }
        let error: StoreError =
            write.expected == .absent ? .exists(revision: current.revision) : .conflict(revision: current.revision)
        // Told when the caches have what is in the way, so that whoever tries again does so over that.
        settle(at: current.revision, .failure(error))
    }

    private func failed(
        _ item: PendingWrite, _ error: GRPCError,
        _ completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        let failure = error.storeError(place)
        switch failure {
        case .tooLarge, .closed: break
        default: setTrouble(failure.description)
        }
        finish(item, .failure(failure), completion)
    }

    private func finish(
        _ item: PendingWrite?, _ result: Result<Int64, StoreError>,
        _ completion: @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        if let item {
            let key = item.write.key
            pending[key]?.removeAll { $0 === item }
            if pending[key]?.isEmpty == true { pending[key] = nil }
        }
        let left = waitingWrites.subtract(1, ordering: .relaxed).newValue
        completion(result)
        if left == 0, let onIdle {
            self.onIdle = nil
            onIdle()
        }
    }
}
