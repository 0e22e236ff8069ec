import Testing

@testable import ProxyDataPath

@Suite struct ConntrackSettingsTests {
    private func wanted(_ settings: ConntrackSettings, _ processors: Int) -> [String: Int] {
        Dictionary(
            uniqueKeysWithValues: settings.wanted(processors: processors).map {
                (String($0.name.split(separator: "/").last ?? ""), $0.value)
            })
    }

    @Test func followTheProcessorsButNeverFallBelowTheMinimum() {
        let small = wanted(ConntrackSettings(), 2)
        #expect(small["nf_conntrack_max"] == 131_072)
        #expect(small["nf_conntrack_buckets"] == 32_768)
        #expect(small["nf_conntrack_tcp_timeout_established"] == 86_400)
        #expect(small["nf_conntrack_tcp_timeout_close_wait"] == 3_600)
        #expect(wanted(ConntrackSettings(), 8)["nf_conntrack_max"] == 262_144)
    }

    @Test func leaveAloneWhatIsZero() {
        let none = ConntrackSettings(maxPerCore: 0, minimum: 9, establishedSeconds: 0, closeWaitSeconds: 0)
        #expect(wanted(none, 4).isEmpty)
    }
}
