import Testing

@testable import NodeAgent

/// The pauses of a container that ends again and again.
@Suite struct CrashBackoffTests {
    private let start = ContinuousClock.now

    @Test func theFirstRestartComesAtOnce() {
        #expect(CrashBackoff().wait(endedAt: start, now: start) == nil)
    }

    @Test func pausesDoubleUpToFiveMinutes() throws {
        var backoff = CrashBackoff()
        var now = start
        var pauses: [Duration] = []
        for _ in 0..<8 {
            backoff.restarted(endedAt: now, now: now)
            let pause = try #require(backoff.wait(endedAt: now, now: now))
            pauses.append(pause.total)
            now += pause.left
        }
        #expect(pauses == [10, 20, 40, 80, 160, 300, 300, 300].map { .seconds($0) })
    }

    @Test func thePauseCountsFromTheEnd() throws {
        var backoff = CrashBackoff()
        backoff.restarted(endedAt: start, now: start)
        let end = start + .seconds(2)
        #expect(try #require(backoff.wait(endedAt: end, now: end + .seconds(3))).left == .seconds(7))
        #expect(backoff.wait(endedAt: end, now: end + .seconds(10)) == nil)
    }

    @Test func tenGoodMinutesAreForgiven() throws {
        var backoff = CrashBackoff()
        backoff.restarted(endedAt: start, now: start)
        let late = start + .seconds(601)
        #expect(backoff.wait(endedAt: late, now: late) == nil)
        backoff.restarted(endedAt: late, now: late)
        #expect(try #require(backoff.wait(endedAt: late, now: late)).total == .seconds(10))
    }
}
