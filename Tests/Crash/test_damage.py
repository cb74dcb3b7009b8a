"""A stopped store that something damaged: flipped bits and damaged pages, served by the daemon.

LMDB has no checksums, so a damaged page may end the reader, hide records or give other bytes. The daemon must survive
it, give no wrong card, and serve every token that the damage did not touch; `verify` must report whatever a client
can notice.
A write that meets a damaged page may end the process, without harm: these are counted and bounded.
"""

import struct

import vault as vaults

PAGE = 4096
BRANCH, LEAF = 1, 2
#: No leaf of the token table holds more records than this: 64 bytes, an 8-byte key and LMDB's own 10.
LEAF_RECORDS = PAGE // 82 + 1
#: Writes that may end the process, of a hundred: a commit that meets a damaged list of free pages is not caught.
ENDED_MAX = 2
#: What a token may give whose record, or the way to it, is damaged. Anything else is a wrong answer.
REFUSALS = {"!damaged_record", "!not_found"}


class Damaged:
    """A stopped vault with a known store, damaged and opened again and again."""

    def __init__(self, vault, source, count):
        self.vault, self.source = vault, source
        vault.start()
        self.pairs = []
        with vault.client() as client:
            for start in range(0, count, 1000):
                pans = vaults.cards(source, 1000)
                self.pairs += list(zip(client.tokenize_all(pans), pans))
        assert vault.stop() == 0
        self.whole = vault.store.read_bytes()
        # Put back with it: a database that goes back alone counts as restored, and its keys turn over.
        data = vault.directory / "data"
        self.beside = {path: path.read_bytes() for path in (data / "keyring", data / "epoch")}
        self.hidden = self.refused = self.unopened = 0
        self.touched = self.found = self.ended = 0

    def kinds(self):
        """The pages of the store by kind: LMDB's flags at byte 10 of each."""
        pages = {BRANCH: [], LEAF: []}
        for number in range(2, len(self.whole) // PAGE):
            flags = struct.unpack_from("<H", self.whole, number * PAGE + 10)[0]
            if flags in pages:
                pages[flags].append(number)
        return pages

    def check(self, data, what, most):
        """Opens the store with these bytes; at most `most` tokens may not come back."""
        vault = self.vault
        vault.store.write_bytes(data)
        for path, content in self.beside.items():
            path.write_bytes(content)
        (vault.store.parent / "lock.mdb").unlink(missing_ok=True)
        vault.start(wait=False)
        if not vault.wait_ready(10):
            if vault.process.poll() is None and vault.get("/readyz")[1].startswith("audit_"):
                # What the database knows of the audit log is damaged: nothing is served, so nothing is wrong.
                self.unopened += 1
                vault.kill()
                return
            code = vault.process.wait(10)
            assert 64 <= code <= 78, f"{what}: the start ended with {code}: {vault.log_tail(5)}"
            assert most > LEAF_RECORDS, f"{what}: no start although one leaf is damaged: {vault.log_tail(1)}"
            self.unopened += 1
            return
        given = vault.detokenize([token for token, _ in self.pairs])
        gone = [answer for (_, pan), answer in zip(self.pairs, given) if answer != pan]
        wrong = [answer for answer in gone if answer not in REFUSALS]
        assert not wrong, f"{what}: wrong answers {wrong[:3]}"
        assert len(gone) <= most, f"{what}: {len(gone)} of {len(given)} tokens are gone"
        self.hidden += gone.count("!not_found")
        self.refused += gone.count("!damaged_record")
        self.touched += bool(gone)
        _, is_sound = vault.verify()
        self.found += not is_sound
        assert not (gone and is_sound), f"{what}: verify finds nothing although {len(gone)} tokens are gone: {gone[:3]}"
        self.write_or_end(what, given, is_sound)
        assert vault.process.poll() is None, f"{what}: the daemon ended with {vault.process.poll()}"
        assert vault.get("/livez")[0] == 200, what
        vault.kill()

    def write_or_end(self, what, given, is_sound):
        """A write; where it ends the process, the next start reads as this one did."""
        try:
            self.write(what, is_sound)
        except vaults.Gone:
            code = self.vault.process.wait(20)
            assert code < 0, f"{what}: a write met exit code {code}"
            self.ended += 1
            self.vault.start()
            again = self.vault.detokenize([token for token, _ in self.pairs])
            assert again == given, f"{what}: reads changed after a write ended the process"

    def write(self, what, is_sound):
        """New cards on the damaged store: taken and given back, or refused, but nothing else. Under a branch page whose
        keys are in no order LMDB may not find again what it has just stored: only where `verify` says that the store is
        damaged, and never another card.
        """
        pans = vaults.cards(self.source, 5)
        with self.vault.client() as client:
            status, body = client.call("tokenize", {"cards": [{"pan": pan} for pan in pans]})
        if status == 200:
            pairs = [(result["token"], pan) for result, pan in zip(body["results"], pans) if "token" in result]
            wrong = self.vault.wrong(pairs)
            lost = [answer for _, answer in wrong if answer in REFUSALS]
            assert len(lost) == len(wrong), f"{what}: fresh tokens are wrong: {wrong[:3]}"
            assert not lost or not is_sound, f"{what}: verify finds nothing, and fresh tokens are gone: {wrong[:3]}"
        else:
            assert status in (500, 503, 507), f"{what}: {status} {body}"

    def report(self, count):
        # One of a few says nothing against two of a hundred.
        most = max(1, ENDED_MAX * count // 100)
        assert self.ended <= most, f"{self.ended} of {count} writes ended the process"
        print(
            f"{count} damaged stores of {len(self.pairs)} tokens: {self.touched} with tokens gone, {self.refused} "
            f"refused as damaged, {self.hidden} not found, {self.unopened} refused at the start, 0 wrong; "
            f"{self.ended} ended by a write; verify found {self.found}")


def test_one_flipped_bit_gives_no_wrong_card_and_no_read_ends_the_process(make_vault, source):
    """100 flips (STRONGROOM_BIT_FLIPS), half of them in pages of records and their index."""
    count = vaults.knob("STRONGROOM_BIT_FLIPS", 100)
    damaged = Damaged(make_vault(), source, 2000)
    leaves = damaged.kinds()[LEAF]
    for number in range(count):
        if number % 2:
            page = source.choice(leaves)
            bit = page * PAGE * 8 + source.randrange(PAGE * 8)
        else:
            bit = source.randrange(len(damaged.whole) * 8)
            page = bit // 8 // PAGE
        data = bytearray(damaged.whole)
        data[bit // 8] ^= 1 << bit % 8
        is_leaf = page in leaves and bit // 8 % PAGE >= 16
        most = LEAF_RECORDS if is_leaf and not is_of_meta(damaged.whole, page) else len(damaged.pairs)
        damaged.check(data, f"bit {bit % 8} of byte {bit // 8} (page {page})", most)
    damaged.report(count)
    assert damaged.refused > 0, "no flip was noticed: the test does not hit records"


def is_of_meta(data, page):
    """Whether a leaf may hold names of tables or counters, which everything hangs on: entries of another size."""
    lower = struct.unpack_from("<H", data, page * PAGE + 12)[0]
    nodes = (lower - 16) // 2
    if nodes == 0:
        return True
    first = struct.unpack_from("<H", data, page * PAGE + 16)[0]
    size, _, _, key = struct.unpack_from("<HHHH", data, page * PAGE + first)
    return (key, size) not in ((8, 64), (32, 4))


def test_a_damaged_page_gives_no_wrong_card_and_no_read_ends_the_process(make_vault, source):
    """20 pages (STRONGROOM_DAMAGED_PAGES): zeroed, random, copied from elsewhere, half old."""
    count = vaults.knob("STRONGROOM_DAMAGED_PAGES", 20)
    damaged = Damaged(make_vault(), source, 2000)
    kinds = damaged.kinds()
    pages = len(damaged.whole) // PAGE
    for number in range(count):
        page = source.choice(kinds[LEAF] + 5 * kinds[BRANCH])
        other = source.randrange(2, pages)
        before = damaged.whole[page * PAGE:(page + 1) * PAGE]
        elsewhere = damaged.whole[other * PAGE:(other + 1) * PAGE]
        kind, after = [
            ("zeroed", bytes(PAGE)), ("random", source.randbytes(PAGE)), ("copied", elsewhere),
            ("half old", before[:PAGE // 2] + elsewhere[PAGE // 2:])][number % 4]
        data = bytearray(damaged.whole)
        data[page * PAGE:(page + 1) * PAGE] = after
        damaged.check(data, f"page {page} {kind} (from {other})", len(damaged.pairs))
    damaged.report(count)
