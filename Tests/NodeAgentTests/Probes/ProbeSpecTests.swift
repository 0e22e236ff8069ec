import KubeAPI
import Testing
import Transport

@testable import NodeAgent

/// Probes as the spec writes them.
@Suite struct ProbeSpecTests {
    private func container(_ fields: String) throws -> Container {
        Container(try YAML.parse("{name: main, image: demo, \(fields)}")[0])
    }

    @Test func whatIsLeftOutHasKubernetesDefaults() throws {
        let spec = try #require(try container("livenessProbe: {tcpSocket: {port: 80}}").probe(.liveness))
        #expect(spec.initialDelay == .zero)
        #expect(spec.timeout == .seconds(1))
        #expect(spec.period == .seconds(10))
        #expect(spec.successThreshold == 1)
        #expect(spec.failureThreshold == 3)
        #expect(spec.graceSeconds == nil)
        #expect(spec.action == .tcpSocket(host: "", port: 80))
        #expect(try container("livenessProbe: {tcpSocket: {port: 80}}").probe(.readiness) == nil)
    }

    @Test func portsGoByNumberByNameAndByNumberInAString() throws {
        let container = try container("ports: [{name: web, containerPort: 8080}]")
        #expect(try container.probePort(80) == 80)
        #expect(try container.probePort("web") == 8080)
        #expect(try container.probePort("9090") == 9090)
        #expect {
            try container.probePort("nope")
        } throws: { "\($0)" == "strconv.Atoi: parsing \"nope\": invalid syntax" }
        #expect {
            try container.probePort(70000)
        } throws: { "\($0)" == "invalid port number: 70000" }
    }

    @Test func commandsSeeVariablesWithPlainValuesOnly() throws {
        let container = try container(
            "env: [{name: A, value: x}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]")
        #expect(container.expandStatically(["echo", "$(A) $(B) $$(A)"]) == ["echo", "x $(B) $(A)"])
    }

    @Test func outcomesHaveKubernetesWords() {
        #expect(ProbeOutcome.success.event(.liveness) == nil)
        let failure = ProbeOutcome.failure("HTTP probe failed with statuscode: 500").event(.liveness)
        #expect(failure?.reason == "Unhealthy")
        #expect(failure?.message == "Liveness probe failed: HTTP probe failed with statuscode: 500")
        let warning = ProbeOutcome.warning("Probe terminated redirects, Response body: x").event(.readiness)
        #expect(warning?.reason == "ProbeWarning")
        #expect(warning?.message == "Readiness probe warning: Probe terminated redirects, Response body: x")
        #expect(
            ProbeOutcome.error(state: "unknown", message: "no").event(.startup)?.message
                == "Startup probe errored and resulted in unknown state: no")
    }

    @Test func textsAreQuotedLikeGoDoes() {
        #expect(GoText.quoted("a \"b\"\n\\\u{1}ü") == #""a \"b\"\n\\\x01ü""#)
    }
}

/// From what results a container's health follows.
@Suite struct ContainerHealthTests {
    private func spec(success: Int = 1, failure: Int = 3) throws -> ProbeSpec {
        let yaml =
            "{name: main, readinessProbe: {tcpSocket: {port: 80}, successThreshold: \(success), failureThreshold: \(failure)}}"
        return try #require(Container(try YAML.parse(yaml)[0]).probe(.readiness))
    }

    @Test func nothingIsKnownBeforeAThresholdIsReached() throws {
        var health = ContainerHealth()
        let spec = try spec(success: 2)
        #expect(health[.readiness] == nil)
        health.observe(true, by: spec)
        #expect(health[.readiness] == nil)
        health.observe(true, by: spec)
        #expect(health[.readiness] == true)
    }

    @Test func onlyResultsInARowCount() throws {
        var health = ContainerHealth()
        let spec = try spec()
        health.observe(true, by: spec)
        for isHealthy in [false, false, true, false, false] {
            health.observe(isHealthy, by: spec)
            #expect(health[.readiness] == true)
        }
        health.observe(false, by: spec)
        #expect(health[.readiness] == false)
        health.observe(true, by: spec)
        #expect(health[.readiness] == true)
    }

    @Test func eachProbeCountsForItself() throws {
        var health = ContainerHealth()
        health.observe(true, by: try spec())
        #expect(health[.liveness] == nil)
        #expect(health[.readiness] == true)
    }
}

/// What is asked of whom.
@Suite struct HTTPGetActionTests {
    private let container = Container(["name": "main", "ports": [["name": "web", "containerPort": 8080]]])

    private func action(_ yaml: String) throws -> HTTPGetAction { HTTPGetAction(try YAML.parse(yaml)[0]) }

    @Test func thePodsAddressStandsForAHostThatIsNotGiven() throws {
        let action = try action("{port: web, path: '/healthz?full=1#x'}")
        let url = try action.url(of: container, podIP: "10.0.0.5")
        #expect(url.text == "http://10.0.0.5:8080/healthz?full=1")
        let request = action.request(to: url, agent: "kube-probe/1.35")
        #expect(request.target == "/healthz?full=1")
        #expect(!request.isTLS)
        #expect(
            request.headers.map { "\($0.name): \($0.value)" } == [
                "Host: 10.0.0.5:8080", "User-Agent: kube-probe/1.35", "Accept: */*",
            ])
    }

    @Test func theSpecsHeadersWin() throws {
        let action = try action(
            """
            {port: 443, scheme: HTTPS, host: '2001:db8::1', path: health check, httpHeaders: [
              {name: host, value: example.com}, {name: Accept, value: ''}, {name: user-agent, value: me},
              {name: X-A, value: '1'}, {name: X-A, value: '2'}]}
            """)
        let url = try action.url(of: container, podIP: "10.0.0.5")
        #expect(url.text == "https://[2001:db8::1]:443/health%20check")
        let request = action.request(to: url, agent: "kube-probe/1.35")
        #expect(request.isTLS)
        #expect(request.host == "2001:db8::1")
        #expect(
            request.headers.map { "\($0.name): \($0.value)" } == [
                "Host: example.com", "user-agent: me", "X-A: 1", "X-A: 2",
            ])
    }

    @Test(arguments: [
        ("/other", "http://10.0.0.5:8080/other"), ("sub?x", "http://10.0.0.5:8080/a/sub?x"),
        ("../up", "http://10.0.0.5:8080/up"), ("?q", "http://10.0.0.5:8080/a/b?q"),
        ("//host/x", "http://host/x"), ("https://host", "https://host/"), ("http://host:81/x#y", "http://host:81/x"),
        ("http://user@[::1]:81/", "http://[::1]:81/"),
    ])
    func redirectsAreResolved(location: String, result: String) throws {
        let url = ProbeURL(scheme: "http", host: "10.0.0.5", port: 8080, path: "/a/b?c")
        let next = try #require(url.following(location))
        #expect("\(next.scheme)://\(next.authority)\(next.target)" == result)
    }

    @Test(arguments: ["ftp://host/", "http://:0/", "http://host:99999/"])
    func redirectsToNowhereAreNone(location: String) {
        #expect(ProbeURL(scheme: "http", host: "10.0.0.5", port: 8080, path: "/").following(location) == nil)
    }

    @Test func failuresAreSaidInGosWords() {
        let url = ProbeURL(scheme: "http", host: "10.0.0.5", port: 8080, path: "/healthz")
        func words(_ stage: DialError.Stage, _ cause: DialError.Cause) -> String {
            GoErrors.get(url, DialError(stage, cause))
        }
        #expect(
            words(.connection, .system(111))
                == "Get \"http://10.0.0.5:8080/healthz\": dial tcp 10.0.0.5:8080: connect: connection refused")
        #expect(
            words(.connection, .system(113))
                == "Get \"http://10.0.0.5:8080/healthz\": dial tcp 10.0.0.5:8080: connect: no route to host")
        #expect(
            words(.answer, .timedOut)
                == "Get \"http://10.0.0.5:8080/healthz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )
        #expect(words(.answer, .closed) == "Get \"http://10.0.0.5:8080/healthz\": EOF")
        #expect(
            GoErrors.dial(host: "10.0.0.5", address: "10.0.0.5:80", DialError(.connection, .timedOut))
                == "dial tcp 10.0.0.5:80: i/o timeout")
        #expect(
            GoErrors.dial(host: "nowhere", address: "nowhere:80", DialError(.connection, .unresolved("x")))
                == "dial tcp: lookup nowhere: no such host")
    }
}
