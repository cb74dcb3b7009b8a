/// Every limit of the wire in one place: the number, its unit and why it is that number.
///
/// A message over a limit is refused before anything is allocated for it. Limits that say "default" may be
/// configured by the operator; the others are part of the contract.
package enum Limits {
    // MARK: One HTTP message

    /// Bytes of one JSON request body, default 1 MiB: 10,000 tokens of 19 digits take 220 KB, 1,000 cards 1 KiB each.
    package static let bodyBytesDefault = 1 << 20
    /// Bytes no configuration may go beyond: positions in a body are 32 bits wide, and a body is held in memory whole.
    package static let bodyBytesCeiling = 64 << 20
    /// Bytes of the request line and all header fields: room for 60 tracing and proxy headers, one page for the rest.
    package static let headerBytesMax = 16 << 10
    /// Header fields of one request.
    package static let headerFieldsMax = 100
    /// Bytes of the request target: our longest path has 22.
    package static let targetBytesMax = 128

    // MARK: JSON

    /// Levels of arrays and objects below a value the reader only skips. Known requests nest three levels deep.
    package static let jsonDepthMax = 16
    /// Bytes of one number as written. The longest one that has a use here has 10 digits.
    package static let jsonNumberBytesMax = 128

    // MARK: Fields of a request

    /// Cards in one tokenize request: the answer waits for the slowest, and all share one commit.
    package static let cardsPerRequestMax = 1_000
    /// Tokens in one detokenize, inspect or forget request: beyond it the bulk form is the right one.
    package static let tokensPerRequestMax = 10_000
    /// Bytes of a name of a format or purpose, each one of `a-z 0-9 _ . -`.
    package static let nameBytesMax = 64
    /// Purposes named for one token.
    package static let purposesPerCardMax = 32
    /// Bytes of a subject, UTF-8 without control characters: a customer number, a UUID, an e-mail address.
    package static let subjectBytesMax = 128
    /// Bytes of a reference, which comes back in the answer as it was sent.
    package static let referenceBytesMax = 128
    /// Bytes of a request id, visible ASCII: remembered for 24 hours, so it is kept short.
    package static let requestIDBytesMax = 64
    /// Seconds of a `ttl`, at most: what 32 bits hold, 136 years. A format's own `ttl` is what limits it in practice.
    package static let ttlSecondsMax = UInt64(UInt32.max)
    /// Bytes of a field name worth comparing; a longer one is no name of ours.
    package static let fieldNameBytesMax = 64

    // MARK: Fields of an answer

    /// Bytes of the name of a card brand.
    package static let brandBytesMax = 32

    // MARK: Bulk lines

    /// Bytes of a bulk line without its end: 19 digits, a comma and `YYYY-MM` are 27; the rest is slack.
    package static let lineBytesMax = 64

    // MARK: Digits

    /// Digits of the longest PAN or token; 19 nines fit 64 bits unsigned, not signed.
    package static let digitsMax = 19
}
