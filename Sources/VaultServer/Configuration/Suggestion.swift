/// The name in `known` a person most likely meant by `written`: equal but for case and `-` or `_`, or a few typing
/// slips away (one for short names, a third of the length for longer ones). Nil when nothing is close.
func closestName(to written: String, among known: [String]) -> String? {
    guard written.utf8.count <= 64 else { return nil }
    let plain = plainLetters(written)
    var best: (name: String, distance: Int)?
    for name in known {
        let distance = plainLetters(name) == plain ? 0 : editDistance(plain, plainLetters(name))
        let allowed = max(1, min(name.utf8.count, written.utf8.count) / 3)
        if distance <= allowed && distance < (best?.distance ?? .max) { best = (name, distance) }
    }
    return best?.name
}

private func plainLetters(_ name: String) -> [UInt8] {
    name.lowercased().utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one name into the other.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var twoAbove = [Int](repeating: 0, count: right.count + 1)
    var above = Array(0...right.count)
    for row in left.indices {
        var current = [row + 1]
        for column in right.indices {
            let substituted = above[column] + (left[row] == right[column] ? 0 : 1)
            var distance = min(substituted, above[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                distance = min(distance, twoAbove[column - 1] + 1)
            }
            current.append(distance)
        }
        (twoAbove, above) = (above, current)
    }
    return above[right.count]
}
