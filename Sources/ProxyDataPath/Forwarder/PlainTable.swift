/// Plain structs by a number that somebody else gives: a table that grows, without reference counting.
struct PlainTable<Element: BitwiseCopyable>: ~Copyable {
    private var cells: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private let empty: Element

    init(empty: Element) {
        self.empty = empty
        cells = .allocate(capacity: 0)
    }

    deinit { cells.deallocate() }

    /// Makes room for that number.
    mutating func reach(_ index: Int) {
        guard index >= count else { return }
        let larger = max(index + 1, count * 2, 16)
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        memory.moveInitialize(from: cells, count: count)
        (memory + count).initialize(repeating: empty, count: larger - count)
        cells.deallocate()
        cells = memory
        count = larger
    }

    /// Numbers that were never reached must not be asked for.
    subscript(_ index: Int) -> Element {
        unsafeAddress {
            precondition(index >= 0 && index < count)
            return UnsafePointer(cells + index)
        }
        unsafeMutableAddress {
            precondition(index >= 0 && index < count)
            return cells + index
        }
    }
}
