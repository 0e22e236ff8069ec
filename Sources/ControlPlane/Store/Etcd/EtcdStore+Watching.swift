import KubeAPI
import Transport

/// What etcd tells, on its way to the sinks, and who waits for it.
extension EtcdStore {
    /// For a revision to be told; etcd may be restarting meanwhile.
    private static let patience = Duration.seconds(30)
    /// For the events of what is known to be written, before it is asked where they are.
    private static let lull = Duration.milliseconds(20)
    private static let nudgePause = Duration.milliseconds(500)
    private static let relistPause = Duration.seconds(1)

    func follow(after revision: Int64) {
        let watch = EtcdWatch(client, EtcdRange(prefix: keys.root), after: revision, withPrevious: false) {
            [weak self] in self?.take($0)
        }
        self.watch = watch
        watch.open()
    }

    private func take(_ update: EtcdWatch.Update) {
        if broken != nil { return }
        switch update {
        case .events(let events): tell(events)
        case .progress(let revision): tell([], through: revision)
        case .compacted(let revision):
            compacted.store(max(revision, compacted.load(ordering: .relaxed)), ordering: .releasing)
            log.warning(
                "etcd has compacted changes that were not seen yet: everything is listed anew",
                metadata: ["rv": "\(revision)"])
            relist()
        case .state(let trouble?, _): setTrouble("cannot follow etcd at \(place): \(trouble)")
        case .state(nil, let header):
            check(header)
            if broken == nil { setTrouble(nil) }
        }
    }

    private func tell(_ events: [EtcdEvent]) {
        guard let last = events.last else { return }
        tell(events.compactMap(storeEvent), through: last.current.revision)
    }

    private func tell(_ events: [StoreEvent], through revision: Int64) {
        for sink in sinks { sink(.changes(events, through: revision)) }
        seen.store(revision, ordering: .releasing)
        releaseWaiters()
    }

    private func storeEvent(_ event: EtcdEvent) -> StoreEvent? {
        let current = event.current
        guard let key = keys.key(current.key) else { return nil }
        let own = pending[key]?.first { item in
            event.isDelete ? item.write.value == nil : item.write.value == current.value
        }?.write
        // The bytes that the author holds already, rather than a copy of them.
        let value = event.isDelete ? nil : own?.value ?? current.value
        var result = StoreEvent(
            key: key, revision: current.revision,
            createRevision: current.createRevision, value: value,
            previousRevision: !event.isDelete && current.version == 1 ? 0 : current.revision - 1, previousValue: nil,
            facts: own?.facts)
        result.isForeign = own == nil
        return result
    }

    /// After changes were missed.
    private func relist() {
        Task {
            do throws(GRPCError) {
                let (revision, values) = try await client.list(prefix: keys.root, revision: 0)
                client.channel.run { [self] in
                    for sink in sinks { sink(.reset(values.compactMap(record), revision: revision)) }
                    seen.store(revision, ordering: .releasing)
                    follow(after: revision)
                    releaseWaiters()
                }
            } catch {
                setTrouble("cannot list etcd at \(place): \(error.message)")
                client.channel.run(after: Self.relistPause) { [weak self] in self?.relist() }
            }
        }
    }

    // MARK: - Is it still the same?

    /// - Parameter floor: what the header's revision can't be below; 0 where it comes from a member that may be behind.
    func check(_ header: EtcdHeader, atLeast floor: Int64 = 0) {
        if broken != nil { return }
        if header.cluster != cluster {
            broken = .unusable(
                "etcd at \(place) is another cluster than when this server started: end it, and start it with the "
                    + "etcd that it belongs to")
        } else if header.revision < floor {
            broken = .unusable(
                "etcd at \(place) has gone back from revision \(floor) to \(header.revision), as after a restore: end this "
                    + "server and start it again")
        }
        guard let broken else { return }
        setTrouble(broken.description)
        watch?.close()
        let waiting = waiters
        waiters = []
        for waiter in waiting { waiter.completion(broken) }
    }

    // MARK: - Waiting

    /// Calls once the sinks know everything up to a revision.
    func whenSeen(_ revision: Int64, _ completion: @escaping @Sendable (StoreError?) -> Void) {
        if let broken { return completion(broken) }
        if seen.load(ordering: .relaxed) >= revision { return completion(nil) }
        let waiter = Waiter(revision: revision, deadline: .now + Self.patience, completion: completion)
        // Most wait for a newer revision than all before them.
        var index = waiters.count
        while index > 0, waiters[index - 1].revision > revision { index -= 1 }
        waiters.insert(waiter, at: index)
    }

    private func releaseWaiters() {
        let revision = seen.load(ordering: .relaxed)
        let count = waiters.firstIndex { $0.revision > revision } ?? waiters.count
        guard count > 0 else { return }
        let ready = waiters.prefix(count)
        waiters.removeFirst(count)
        for waiter in ready { waiter.completion(nil) }
    }

    func expireWaiters() {
        let now = ContinuousClock.now
        guard waiters.contains(where: { $0.deadline <= now }) else { return }
        let late = waiters.filter { $0.deadline <= now }
        waiters.removeAll { $0.deadline <= now }
        for waiter in late {
            waiter.completion(
                .timedOut("etcd at \(place) has revision \(waiter.revision), but has not told its changes in time"))
        }
    }

    /// One question to etcd for all who ask while it is on its way: what it has to be newer than is what was answered
    /// before they asked.
    public func catchUp(_ completion: @escaping @Sendable (StoreError?) -> Void) {
        if isClosing.load(ordering: .acquiring) { return completion(.closed) }
        start()
        whenCurrent(completion)
    }

    func whenCurrent(_ completion: @escaping @Sendable (StoreError?) -> Void) {
        client.channel.run { [self] in
            if let broken { return completion(broken) }
            fetchNext.append(completion)
            if fetching == nil { fetch() }
        }
    }

    private func fetch() {
        let asking = fetchNext
        fetchNext = []
        guard !asking.isEmpty else {
            fetching = nil
            return
        }
        fetching = asking
        let floor = seen.load(ordering: .relaxed)
        var request = EtcdRangeRequest(EtcdRange(key: keys.identity))
        request.countOnly = true
        client.range(request) { [self] result in
            switch result {
            case .success(let response):
                check(response.header, atLeast: floor)
                let revision = response.header.revision
                for completion in asking { whenSeen(revision, completion) }
                nudgeLater()
            case .failure(let error):
                let failure = error.storeError(place)
                if failure != .closed { setTrouble(failure.description) }
                for completion in asking { completion(failure) }
            }
            fetch()
        }
    }

    /// Revisions of keys that are not ours are told to nobody who watches ours. When one is waited for, a write of our
    /// own follows it, whose event says that everything before has been told. (A server that can be asked for the
    /// progress of a watch is asked.)
    private func nudgeLater() {
        guard let newest = waiters.last?.revision, seen.load(ordering: .relaxed) < newest, !isNudging else { return }
        isNudging = true
        client.channel.run(after: Self.lull) { [weak self] in self?.nudge() }
    }

    private func nudge() {
        isNudging = false
        guard let newest = waiters.last?.revision, broken == nil else { return }
        if watch?.isRunning == true {
            if hasTrueProgress {
                watch?.askForProgress()
            } else {
                client.put(keys.mark, Array(String(newest).utf8)) { _ in }  // tried again below
            }
        }
        client.channel.run(after: Self.nudgePause) { [weak self] in self?.nudgeLater() }
    }
}
