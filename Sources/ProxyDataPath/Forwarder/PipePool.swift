import Glibc
import Kernel

/// Pipes for splicing, made when they are needed and kept empty for the next. Each takes two descriptors.
struct PipePool: ~Copyable {
    /// Splicing connections at once, for each loop; what is over it is copied.
    static let limit = 256
    /// Empty pipes that stay open.
    static let spareLimit = 16
    /// What one holds: enough to take all that a socket has at once.
    static let sizeBytes: Int32 = 1 << 20

    private struct Ends {
        var read: Int32
        var write: Int32
    }
    private var pipes: [Ends] = []
    private var spare: [Int32] = []
    /// Numbers without a pipe.
    private var empty: [Int32] = []
    /// Where descriptors are counted, so that pipes and connections share one bound.
    private let budget: DescriptorBudget

    init(budget: DescriptorBudget) {
        self.budget = budget
        pipes.reserveCapacity(Self.limit)
        spare.reserveCapacity(Self.limit)
        empty.reserveCapacity(Self.limit)
    }

    deinit {
        for pipe in pipes where pipe.read >= 0 {
            close(pipe.read)
            close(pipe.write)
            budget.give(2)
        }
    }

    /// A pipe that is empty; -1 where there is none.
    mutating func take() -> Int32 {
        if let number = spare.popLast() { return number }
        guard pipes.count - empty.count < Self.limit, budget.take(2) else { return -1 }
        var ends: (read: Int32, write: Int32) = (-1, -1)
        guard ForwardingCalls.pipe(&ends, sizeBytes: Self.sizeBytes) == 0 else {
            budget.give(2)
            return -1
        }
        let pipe = Ends(read: ends.read, write: ends.write)
        if let number = empty.popLast() {
            pipes[Int(number)] = pipe
            return number
        }
        pipes.append(pipe)
        return Int32(pipes.count - 1)
    }

    func readEnd(_ number: Int32) -> Int32 { pipes[Int(number)].read }
    func writeEnd(_ number: Int32) -> Int32 { pipes[Int(number)].write }

    /// Takes one back. Where bytes are left in it, it is of no more use.
    mutating func give(_ number: Int32, isEmpty: Bool) {
        if isEmpty, spare.count < Self.spareLimit { return spare.append(number) }
        close(pipes[Int(number)].read)
        close(pipes[Int(number)].write)
        pipes[Int(number)] = Ends(read: -1, write: -1)
        empty.append(number)
        budget.give(2)
    }

    var openCount: Int { pipes.count - empty.count }
}
