/// Plain structs by number, in memory that grows but never moves what is free: no allocation and no reference counting
/// for each connection. Numbers of freed ones come again, with another generation.
struct Slab<Element: BitwiseCopyable>: ~Copyable {
    private struct Cell {
        var element: Element
        var generation: UInt32
        /// The next free one, where this is free.
        var next: Int32
    }
    private var cells: UnsafeMutablePointer<Cell>
    private var capacity: Int
    private var used = 0
    private var free: Int32 = -1
    private(set) var count = 0

    init() {
        capacity = 256
        cells = .allocate(capacity: capacity)
    }

    deinit { cells.deallocate() }

    /// Takes a place for the element.
    mutating func insert(_ element: Element) -> Int {
        count += 1
        if free >= 0 {
            let index = Int(free)
            free = cells[index].next
            cells[index].element = element
            return index
        }
        if used == capacity {
            let larger = UnsafeMutablePointer<Cell>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: cells, count: used)
            cells.deallocate()
            cells = larger
            capacity *= 2
        }
        (cells + used).initialize(to: Cell(element: element, generation: 1, next: -1))
        used += 1
        return used - 1
    }

    mutating func remove(_ index: Int) {
        count -= 1
        cells[index].generation &+= 1
        cells[index].next = free
        free = Int32(index)
    }

    /// Says whether a number still means what it meant.
    func generation(_ index: Int) -> UInt32 { index < used ? cells[index].generation : 0 }

    subscript(_ index: Int) -> Element {
        unsafeAddress { UnsafePointer(pointer(index)) }
        unsafeMutableAddress { pointer(index) }
    }

    private func pointer(_ index: Int) -> UnsafeMutablePointer<Element> {
        UnsafeMutableRawPointer(cells + index).assumingMemoryBound(to: Element.self)
    }
}
