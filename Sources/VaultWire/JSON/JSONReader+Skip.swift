extension JSONReader {
    /// Checks the next value of any kind and goes past it, at most `Limits.jsonDepthMax` levels deep.
    ///
    /// The kinds of the open levels are bits of one integer, so depth costs neither stack nor heap.
    @_lifetime(self: copy self)
    package mutating func skipValue() throws(JSONFault) {
        var levels = OpenLevels()
        while true {
            if try skipScalarOrOpen(&levels) { continue }
            // A value has ended here; so may have the levels around it.
            while true {
                guard let isObject = levels.innermostIsObject else { return }
                skipWhiteSpace()
                if current == UInt8(ascii: ",") {
                    position += 1
                    if isObject { _ = try name() }
                    break
                }
                guard current == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { throw .syntax }
                position += 1
                levels.close()
            }
        }
    }

    /// Goes past one scalar or one empty container, or opens a container; true when a value has to follow next.
    @_lifetime(self: copy self)
    private mutating func skipScalarOrOpen(_ levels: inout OpenLevels) throws(JSONFault) -> Bool {
        skipWhiteSpace()
        switch current {
        case UInt8(ascii: "\""):
            _ = try string()
        case UInt8(ascii: "-"), 0x30...0x39:
            _ = try number()
        case UInt8(ascii: "t"):
            try literal("true")
        case UInt8(ascii: "f"):
            try literal("false")
        case UInt8(ascii: "n"):
            try literal("null")
        case UInt8(ascii: "{"):
            position += 1
            skipWhiteSpace()
            if current == UInt8(ascii: "}") {
                guard levels.depth < Limits.jsonDepthMax else { throw .syntax }
                position += 1
                return false
            }
            guard levels.open(object: true) else { throw .syntax }
            _ = try name()
            return true
        case UInt8(ascii: "["):
            position += 1
            skipWhiteSpace()
            if current == UInt8(ascii: "]") {
                guard levels.depth < Limits.jsonDepthMax else { throw .syntax }
                position += 1
                return false
            }
            guard levels.open(object: false) else { throw .syntax }
            return true
        default:
            throw .syntax
        }
        return false
    }

    @_lifetime(self: copy self)
    private mutating func literal(_ text: StaticString) throws(JSONFault) {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count, bytes.span.extracting(position..<end).equals(text) else { throw .syntax }
        position = end
    }
}

/// The kinds of the arrays and objects that are open, innermost in bit 0.
private struct OpenLevels {
    private(set) var depth = 0
    private var objects: UInt64 = 0

    /// Whether the innermost open level is an object; nil when none is open.
    var innermostIsObject: Bool? { depth == 0 ? nil : objects & 1 == 1 }

    /// Opens a level; false when that would be one too many.
    mutating func open(object: Bool) -> Bool {
        guard depth < Limits.jsonDepthMax else { return false }
        depth += 1
        objects = objects << 1 | (object ? 1 : 0)
        return true
    }

    mutating func close() {
        depth -= 1
        objects >>= 1
    }
}
