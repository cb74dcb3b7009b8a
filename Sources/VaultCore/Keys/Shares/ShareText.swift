internal import OpenSSLCrypto
package import SecretMemory

/// A share as a custodian writes it down and types it in.
///
///     sr-1a2b3c4d-2:04D2P-F2D0C-10008-20C20-A1G71-04GM2-RC1M7-0Y40H-289H8-58P2W-C1J6G-V3GEH-W7R44-132E
///
/// After the prefix, which says set and index in clear, come 43 bytes in base 32, five characters a group:
///
///     offset size
///          0    1  version, 1
///          1    4  set identifier, big-endian
///          5    1  threshold
///          6    1  index
///          7   32  share
///         39    4  first bytes of SHA-256 over "strongroom share v1" and the 39 bytes before
///
/// The alphabet is Crockford's, which has no I, L, O and U. A reader takes either case, `I` and `L` for 1 and `O` for
/// 0, and skips blanks, tabs, hyphens and line ends wherever they are. Of mistyped texts one in 2^32 slips through. A
/// text lives in bytes that are wiped, never in a string, and the codec has no branch or table on a share's bytes. Any
/// thread.
package enum ShareText {
    /// The most bytes that `decode` looks at.
    package static let inputBytesMax = 512
    /// The longest text that `encode` makes, in bytes: that of an index with three digits.
    package static let textBytesMax = prefixBytesMax + symbolCount + (symbolCount - 1) / groupSymbols
    /// Base 32 characters of a share, hyphens not counted.
    static let symbolCount = (bodyBytes * 8 + 4) / 5

    private static let version: UInt8 = 1
    private static let bodyBytes = 43
    private static let shareOffset = 7
    private static let checksumOffset = 39
    private static let groupSymbols = 5
    /// `sr-`, eight digits, a hyphen, up to three digits, a colon.
    private static let prefixBytesMax = 16

    /// The text of a share, without a line end: 96 to 98 bytes. Throws `.crypto`.
    package static func encode(_ share: borrowing Share) throws(ShareError) -> SecretBytes {
        var text = SecretBytes(count: textBytesMax - 3 + decimalDigits(share.index))
        var span = text.mutableSpan
        try write(share, into: &span)
        return text
    }

    /// Writes the text of a share over the first bytes of `output` and returns how many: 96 to 98.
    ///
    /// Traps when `output` is shorter; `textBytesMax` always is enough. Throws `.crypto`.
    @discardableResult
    package static func write(
        _ share: borrowing Share, into output: inout MutableSpan<UInt8>
    ) throws(ShareError) -> Int {
        let body = try body(of: share)
        var end = writePrefix(of: share, into: &output)
        var pending: UInt16 = 0
        var pendingBits = 0
        var next = 0
        for symbol in 0..<symbolCount {
            if symbol > 0, symbol % groupSymbols == 0 {
                output[end] = UInt8(ascii: "-")
                end += 1
            }
            if pendingBits < 5 {
                // After the last byte come zeros.
                pending = pending << 8 | (next < bodyBytes ? UInt16(body.span[next]) : 0)
                pendingBits += 8
                next += 1
            }
            pendingBits -= 5
            output[end] = Base32.symbol(UInt8(truncatingIfNeeded: pending >> UInt16(pendingBits)) & 0x1F)
            end += 1
        }
        return end
    }

    /// Reads a share that a custodian typed. The text stays where it is: wiping it is up to the caller.
    ///
    /// Throws `.malformed` for what cannot be a share, `.mistyped` for a checksum or prefix that does not fit, and
    /// `.crypto`. Index and threshold are not judged here.
    package static func decode(_ text: borrowing Span<UInt8>) throws(ShareError) -> Share {
        guard text.count <= inputBytesMax else { throw .malformed(.tooLong) }
        var compact = SecretBytes(count: text.count)
        var count = 0
        var target = compact.mutableSpan
        for index in text.indices where !isSeparator(text[index]) {
            target[count] = text[index]
            count += 1
        }
        let typed = compact.span.extracting(first: count)
        guard let prefix = SharePrefix(typed) else { throw .malformed(.prefix) }
        let body = try decodeBody(typed.extracting(prefix.count..<count))
        guard try isChecksumRight(body.span) else { throw .mistyped }
        guard body.span[0] == version else { throw .malformed(.version(body.span[0])) }
        let setID = UInt32(bigEndian: body.span, at: 1)
        guard setID == prefix.setID, body.span[6] == prefix.index else { throw .mistyped }
        let bytes = SecretBytes(copying: body.span.extracting(shareOffset..<checksumOffset))
        guard let share = Share(setID: setID, threshold: body.span[5], index: body.span[6], bytes) else {
            preconditionFailure("share text: share bytes of another size")
        }
        return share
    }

    private static func body(of share: borrowing Share) throws(ShareError) -> SecretBytes {
        var body = SecretBytes(count: bodyBytes)
        var bytes = body.mutableSpan
        bytes[0] = version
        bytes.store(bigEndian: share.setID, at: 1)
        bytes[5] = share.threshold
        bytes[6] = share.index
        let source = share.span
        for position in 0..<Share.byteCount { bytes[shareOffset + position] = source[position] }
        let digest = try checksum(of: bytes.span)
        for position in 0..<(bodyBytes - checksumOffset) { bytes[checksumOffset + position] = digest.span[position] }
        return body
    }

    private static func decodeBody(_ symbols: borrowing Span<UInt8>) throws(ShareError) -> SecretBytes {
        guard symbols.count == symbolCount else { throw .malformed(.length(symbols.count)) }
        var body = SecretBytes(count: bodyBytes)
        var bytes = body.mutableSpan
        var pending: UInt16 = 0
        var pendingBits = 0
        var next = 0
        for index in symbols.indices {
            guard let value = Base32.value(symbols[index]) else {
                throw .malformed(.character(group: index / groupSymbols + 1))
            }
            pending = pending << 5 | UInt16(value)
            pendingBits += 5
            if pendingBits >= 8 {
                pendingBits -= 8
                bytes[next] = UInt8(truncatingIfNeeded: pending >> UInt16(pendingBits))
                next += 1
            }
        }
        // The bit that is left over is zero in what `write` makes, so that every share has one text only.
        guard pending & 1 == 0 else { throw .mistyped }
        return body
    }

    private static func isChecksumRight(_ body: borrowing Span<UInt8>) throws(ShareError) -> Bool {
        let digest = try checksum(of: body)
        return constantTimeEqual(
            digest.span.extracting(first: bodyBytes - checksumOffset), body.extracting(checksumOffset..<bodyBytes))
    }

    /// SHA-256 over the label and all of a body before its checksum.
    private static func checksum(of body: borrowing Span<UInt8>) throws(ShareError) -> SecretBytes {
        let label = [UInt8]("strongroom share v1")
        var message = SecretBytes(count: label.count + checksumOffset)
        var bytes = message.mutableSpan
        for position in label.indices { bytes[position] = label[position] }
        for position in 0..<checksumOffset { bytes[label.count + position] = body[position] }
        var digest = SecretBytes(count: 32)
        var output = digest.mutableSpan
        do throws(CryptoError) {
            try sha256(bytes.span, into: &output)
        } catch {
            throw .crypto
        }
        return digest
    }

    private static func writePrefix(of share: borrowing Share, into output: inout MutableSpan<UInt8>) -> Int {
        let prefix = "sr-\(Share.text(ofSet: share.setID))-\(share.index):"
        var end = 0
        for byte in prefix.utf8 {
            output[end] = byte
            end += 1
        }
        return end
    }

    private static func decimalDigits(_ index: UInt8) -> Int { index < 10 ? 1 : index < 100 ? 2 : 3 }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): true
        default: false
        }
    }
}
