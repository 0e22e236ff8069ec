import Testing

@testable import ControlPlane

@Suite struct CompletionIndexesTests {
    @Test(arguments: ["", "3", "1,2", "1-3", "0,2-4,7,8,10"])
    func areReadAsTheyAreWritten(text: String) {
        #expect(CompletionIndexes(text, below: 100).text == text)
    }

    @Test func whatIsNoneIsLeftOut() {
        #expect(CompletionIndexes("x,3-1,-4,2-99,200", below: 5).text == "2-4")
        #expect(CompletionIndexes("0-9", below: 0).count == 0)
    }
}
