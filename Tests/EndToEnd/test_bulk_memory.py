"""Memory stays the same however many lines a bulk request has.

STRONGROOM_LINES sets how many lines are revealed (2,000,000 unless told), a quarter as many are tokenized, a tenth
as many are new cards.
"""
import os
import pathlib
import tempfile
import threading

import pytest

import cards

LINES = int(os.environ.get("STRONGROOM_LINES", "2000000"))
#: Growth that is allowed between a short and a long run: allocator noise, not lines. A line has 17 bytes at least.
SLACK = 6 << 20


@pytest.fixture
def files():
    """A directory for large files that goes with the test; pytest would keep its own."""
    with tempfile.TemporaryDirectory(prefix="strongroom-lines-") as directory:
        yield pathlib.Path(directory)


class Peak:
    """The highest value of the daemon's memory while a block runs."""

    def __init__(self, vault):
        self.vault = vault
        self.bytes = 0
        self._stop = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.02):
            self.bytes = max(self.bytes, self.vault.memory())

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def run(vault, path, file, output, *, name, unix, headers=()):
    """curl uploads `file` while it writes `output`; the peak of the daemon's memory meanwhile."""
    arguments = ["-X", "POST", "-T", file, "-o", output, "-H", "Content-Type: text/plain"]
    for header in headers:
        arguments += ["-H", header]
    with Peak(vault) as peak:
        done = vault.curl(path, *arguments, name=name, unix=unix, timeout=900)
    assert done.returncode == 0, done.stderr
    return peak.bytes


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_revealing_many_lines_takes_the_memory_of_few(new_vault, files, unix):
    """Ten times the lines, the same peak; every line of the answer is right."""
    vault = new_vault()
    pans = cards.make_pans(1000)
    tokens = [result["token"] for result in vault.client("checkout").tokenize_all(pans)]
    (files / "block").write_text("".join(token + "\n" for token in tokens))
    block = (files / "block").read_bytes()
    peaks = []
    for lines in (LINES // 10, LINES):
        upload, output = files / "tokens", files / "cards"
        with open(upload, "wb") as file:
            for _ in range(lines // 1000):
                file.write(block)
        peaks.append(run(vault, "/v1/detokenize", upload, output, name="billing", unix=unix,
                         headers=["Strongroom-Purpose: charge"]))
        expected = "".join(pan + "\n" for pan in pans).encode()
        with open(output, "rb") as file:
            for _ in range(lines // 1000):
                assert file.read(len(expected)) == expected
            assert file.read() == b""
    print(f"{LINES} lines: peak {peaks[1] >> 10} KiB, a tenth of them: {peaks[0] >> 10} KiB")
    assert peaks[1] < peaks[0] + SLACK, peaks


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_tokenizing_many_lines_takes_the_memory_of_few(new_vault, files, unix):
    """Cards on file already, so that the store is the same in both runs: ten times the lines, the same peak."""
    vault = new_vault()
    pans = cards.make_pans(10_000)
    block = "".join(pan + "\n" for pan in pans).encode()
    upload, output = files / "cards", files / "tokens"
    peaks = []
    for lines in (len(pans), LINES // 40, LINES // 4):
        with open(upload, "wb") as file:
            for _ in range(lines // len(pans)):
                file.write(block)
        peaks.append(run(vault, "/v1/tokenize", upload, output, name="checkout", unix=unix))
    answers = output.read_text().split()
    assert len(answers) == LINES // 4 // len(pans) * len(pans)
    assert answers == answers[: len(pans)] * (LINES // 4 // len(pans)) and len(set(answers)) == len(pans)
    print(f"{LINES // 4} lines: peak {peaks[2] >> 10} KiB, a tenth of them: {peaks[1] >> 10} KiB")
    assert peaks[2] < max(peaks[:2]) + SLACK, peaks


def test_tokenizing_new_cards_takes_memory_for_one_group_of_writes(new_vault, files):
    """A transaction holds the pages it changes, and no more of the upload: a bound that the number of lines is not in.

    Two slices of 1,024 cards change at most one leaf each in three tables and the branches above them.
    """
    vault = new_vault()
    total = LINES // 10
    upload, output = files / "cards", files / "tokens"
    with open(upload, "w") as file:
        file.writelines(cards.make_pan(serial) + "\n" for serial in range(total))
    peak = run(vault, "/v1/tokenize", upload, output, name="checkout", unix=False)
    answers = output.read_text().split()
    assert len(set(answers)) == total and not any(answer.startswith("!") for answer in answers)
    sample = range(0, total, max(1, total // 1000))
    revealed = vault.client("billing").detokenize_all([answers[index] for index in sample])
    assert [answer["pan"] for answer in revealed] == [cards.make_pan(index) for index in sample]
    assert vault.status()["store"]["tokens"] == total
    print(f"{total} new cards: peak {peak >> 10} KiB")
    assert peak < (16 << 20) + 2 * 1024 * 3 * 2 * 4096
