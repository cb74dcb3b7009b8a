// Values that carry card numbers as bare integers, for speed, and so would show them to whoever prints them:
// interpolation, `dump` and test frameworks give a fixed text instead, as `PAN` does.

extension WriteItem: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The kind and the outcome, never a number.
    package var description: String { "WriteItem(\(kind), \(outcome), redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

extension Reveal: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The status, never a number.
    package var description: String { "Reveal(\(status), redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
