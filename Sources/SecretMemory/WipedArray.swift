import Glibc

/// A growable buffer for working data that carries card numbers: ordinary memory, but never left unwiped.
///
/// Growing moves the elements to a new block and wipes the old one; `removeAll` and `deinit` wipe what was written. The
/// storage is `malloc`ed, so it may be swapped or dumped while in use: keys belong in ``SecretBytes``. One thread at a
/// time; sending the whole buffer to another thread is fine.
///
/// `@safe`, `@unchecked Sendable`: the pointer is to a block that only this value owns until `deinit`, elements up to
/// `count` are initialized, and every index is checked.
@safe
package struct WipedArray<Element: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
    private var base: UnsafeMutablePointer<Element>?
    /// Elements written.
    package private(set) var count = 0
    /// Elements there is room for before the next growth.
    package private(set) var capacity = 0

    /// Makes an empty buffer, with room for `capacity` elements if that is not zero.
    package init(capacity: Int = 0) {
        unsafe base = nil
        reserveCapacity(capacity)
    }

    /// Whether nothing is written.
    package var isEmpty: Bool { count == 0 }

    /// The element at `index`, which must be below `count`.
    package subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "WipedArray: index out of range")
            return unsafe start[index]
        }
        set {
            precondition(index >= 0 && index < count, "WipedArray: index out of range")
            unsafe start[index] = newValue
        }
    }

    /// Adds one element at the end.
    package mutating func append(_ element: Element) {
        if count == capacity { grow(to: count + 1) }
        unsafe start[count] = element
        count += 1
    }

    /// Adds all elements of `source` at the end.
    package mutating func append(contentsOf source: Span<Element>) {
        guard !source.isEmpty else { return }
        if count + source.count > capacity { grow(to: count + source.count) }
        // Safe: there is room for source.count more elements, and a span cannot overlap memory that self owns alone.
        unsafe source.withUnsafeBufferPointer { buffer in
            if let from = buffer.baseAddress { unsafe (start + count).update(from: from, count: buffer.count) }
        }
        count += source.count
    }

    /// Makes room for at least `wanted` elements in all.
    package mutating func reserveCapacity(_ wanted: Int) {
        precondition(wanted >= 0, "WipedArray: negative capacity")
        if wanted > capacity { grow(to: wanted) }
    }

    /// Wipes the elements from `newCount` on and keeps the room.
    package mutating func truncate(to newCount: Int) {
        precondition(newCount >= 0 && newCount <= count, "WipedArray: truncation out of range")
        guard newCount < count else { return }
        let surplus = (count - newCount) * MemoryLayout<Element>.stride
        unsafe wipe(UnsafeMutableRawBufferPointer(start: start + newCount, count: surplus))
        count = newCount
    }

    /// Wipes all elements and keeps the room.
    package mutating func removeAll() {
        truncate(to: 0)
    }

    /// The elements, for reading.
    package var span: Span<Element> {
        @_lifetime(borrow self)
        borrowing get {
            guard let base = unsafe base else { return Span() }
            // Safe: base is valid for count initialized elements as long as self is not changed; the result borrows it.
            return unsafe _overrideLifetime(Span(_unsafeStart: UnsafePointer(base), count: count), borrowing: self)
        }
    }

    /// The elements, for writing in place.
    package var mutableSpan: MutableSpan<Element> {
        @_lifetime(&self)
        mutating get {
            guard let base = unsafe base else { return MutableSpan() }
            // Safe: as for `span`; the result has exclusive access to self.
            return unsafe _overrideLifetime(MutableSpan(_unsafeStart: base, count: count), mutating: &self)
        }
    }

    private var start: UnsafeMutablePointer<Element> {
        guard let base = unsafe base else { preconditionFailure("WipedArray: no storage") }
        return unsafe base
    }

    /// Moves to a block at least twice as large. Not `realloc`, which would leave an unwiped copy behind.
    private mutating func grow(to wanted: Int) {
        let room = max(wanted, capacity * 2, 64)
        let (bytes, overflow) = room.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, let block = unsafe malloc(bytes) else {
            fatalError("WipedArray: no memory for \(room) elements")
        }
        let fresh = unsafe block.bindMemory(to: Element.self, capacity: room)
        if let old = unsafe base {
            unsafe fresh.update(from: old, count: count)
            unsafe wipe(UnsafeMutableRawBufferPointer(start: old, count: count * MemoryLayout<Element>.stride))
            unsafe free(old)
        }
        unsafe base = fresh
        capacity = room
    }

    deinit {
        unsafe wipe(UnsafeMutableRawBufferPointer(start: base, count: count * MemoryLayout<Element>.stride))
        unsafe free(base)
    }
}
