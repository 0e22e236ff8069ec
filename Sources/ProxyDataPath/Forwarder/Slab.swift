import Glibc

/// Plain structs by number, with a bound: their memory is reserved once and touched only as far as it is used, so that
/// nothing moves, is allocated or counted for each connection. Numbers of freed ones come again, the last freed first,
/// with another generation.
struct Slab<Element: BitwiseCopyable>: ~Copyable {
    private struct Cell {
        var element: Element
        /// Odd while it is used.
        var generation: UInt32
        /// The next free one, where this is free.
        var next: Int32
    }
    private let cells: UnsafeMutablePointer<Cell>
    let capacity: Int
    /// Numbers below have been given out once.
    private(set) var highest = 0
    private var free: Int32 = -1
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        cells = .allocate(capacity: capacity)
    }

    deinit { cells.deallocate() }

    /// Takes a place for the element; nil where the bound is reached.
    mutating func insert(_ element: Element) -> Int? {
        if free >= 0 {
            let index = Int(free)
            free = cells[index].next
            cells[index].element = element
            cells[index].generation &+= 1
            count += 1
            return index
        }
        guard highest < capacity else { return nil }
        (cells + highest).initialize(to: Cell(element: element, generation: 1, next: -1))
        highest += 1
        count += 1
        return highest - 1
    }

    mutating func remove(_ index: Int) {
        count -= 1
        cells[index].generation &+= 1
        cells[index].next = free
        free = Int32(index)
    }

    /// Says whether a number still means what it meant.
    func generation(_ index: Int) -> UInt32 { index < highest ? cells[index].generation : 0 }

    func isUsed(_ index: Int) -> Bool { index < highest && cells[index].generation & 1 == 1 }

    subscript(_ index: Int) -> Element {
        unsafeAddress { UnsafePointer(pointer(index)) }
        unsafeMutableAddress { pointer(index) }
    }

    private func pointer(_ index: Int) -> UnsafeMutablePointer<Element> {
        UnsafeMutableRawPointer(cells + index).assumingMemoryBound(to: Element.self)
    }
}
