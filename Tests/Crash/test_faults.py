"""Writes and flushes that fail: at the Nth call, once or from then on, with EIO, ENOSPC, or short.

Stronger than a kill: here the daemon lives on with a disk that lied to it. STRONGROOM_FAULT_STRIDE (12) says which N
are tried: 1 is every one. The sweep goes on until no fault fires.
"""

import time

import pytest

import faults
import vault as vaults

FAILURES = {
    "pwrite64": ["error=EIO", "error=ENOSPC", "retval=60"],
    "writev": ["error=EIO", "error=ENOSPC", "retval=4096"],
    "fdatasync": ["error=EIO", "error=ENOSPC"],
}
#: Commits of the script; each is at least one write and one flush.
BATCHES, BATCH = 10, 5
#: What a vault whose disk fails may answer, and what it says of the request: never written, or perhaps.
REFUSALS = {"outcome_unknown": "perhaps", "write_stopped": "never", "storage_full": "never"}


class Book:
    """What clients were told, over all faults of a test."""

    def __init__(self, vault):
        self.vault = vault
        self.there = []      # (token, card)
        self.perhaps = []    # batches of cards
        self.never = []      # cards
        self.codes = {}

    def tokenize(self, client, pans):
        """Sends one batch and notes the answer: the status or the problem's code."""
        try:
            status, body = client.call("tokenize", {"cards": [{"pan": pan} for pan in pans]})
        except vaults.Gone:
            self.perhaps.append(pans)
            raise
        if status == 200:
            self.there += [(result["token"], pan) for result, pan in zip(body["results"], pans)]
            return 200
        code = body["code"]
        self.codes[code] = self.codes.get(code, 0) + 1
        assert code in REFUSALS, f"{status} {body}"
        if REFUSALS[code] == "perhaps":
            self.perhaps.append(pans)
        else:
            self.never += pans
        return code

    def check(self, where):
        """Against a cleanly started vault: answered is there, refused is not, unknown is whole or absent."""
        wrong = self.vault.wrong(self.there)
        assert not wrong, f"{where}: {len(wrong)} of {len(self.there)} acknowledged tokens lost or wrong: {wrong[:3]}"
        with self.vault.client() as client:
            for pans in self.perhaps:
                tokens = [client.find(pan) for pan in pans]
                found = sum(token is not None for token in tokens)
                assert found in (0, len(pans)), f"{where}: {found} of {len(pans)} cards of one request are on file"
                if found:
                    assert not self.vault.wrong(list(zip(tokens, pans))), where
                again = client.tokenize_all(pans)
                assert not found or again == tokens, f"{where}: the retry of an unknown outcome found other tokens"
                self.there += zip(again, pans)
            for pan in self.never:
                assert client.find(pan) is None, f"{where}: a card that was refused is on file"
        self.perhaps, self.never = [], []
        self.vault.check_sound(where)


@pytest.fixture(autouse=True)
def strace():
    faults.require_strace()


def sweep():
    """Every (call, failure, once or for ever), each with another first N, so that all N are met over the table."""
    stride = vaults.knob("STRONGROOM_FAULT_STRIDE", 12)
    table = [(call, failure, plus) for call in FAILURES for failure in FAILURES[call] for plus in ("", "+")]
    for row, point in enumerate(table):
        yield *point, row % stride + 1, stride


def run_script(book, source, where):
    """Tokenizes in batches on a vault whose disk fails somewhere on the way; the answers in order."""
    answers = []
    with book.vault.client() as client:
        for _ in range(BATCHES):
            answers.append(book.tokenize(client, vaults.cards(source, BATCH)))
            check_reads(book, where)
    return answers


def check_reads(book, where):
    """Reads go on while writes are stopped; in the moment in which the store is reopened they may ask for patience."""
    known = book.there[-BATCH:]
    for _ in range(100):
        with book.vault.client("billing") as billing:
            status, body = billing.call("detokenize", {"purpose": "charge", "tokens": [token for token, _ in known]})
        if status != 503:
            break
        time.sleep(0.01)
    assert status == 200, f"{where}: reads stopped with the writes: {status} {body}"
    assert [result.get("pan") for result in body["results"]] == [pan for _, pan in known], f"{where}: {body}"


def test_no_answer_is_false_when_the_nth_write_or_flush_of_the_running_vault_fails(make_vault, source, tmp_path):
    """The daemon answers 200 only for what a clean restart shows; it names why it does not write; after a failure that
    passes it writes again by itself; an unknown outcome is whole or absent and its retry finds the first token."""
    vault = make_vault()
    book = Book(vault)
    vault.start()
    run_script(book, source, "before")
    fired, resumed = 0, []
    for call, failure, plus, first, stride in sweep():
        for n in range(first, 10_000, stride):
            where = f"{call} {failure} when={n}{plus}"
            with faults.Attached(vault, tmp_path / "trace", [vault.store], [(call, failure, f"{n}{plus}")]) as disk:
                answers = run_script(book, source, where)
                refused = [answer for answer in answers if answer != 200]
                if disk.count and plus:
                    after = answers[answers.index(refused[0]):] if refused else []
                    assert refused and 200 not in after, f"{where}: answered 200 on a failed disk: {answers}"
                if not plus:
                    resumed.append(resume(vault, where))
                    assert disk.count == 0 or refused, f"{where}: a failed call went unnoticed: {answers}"
                count = disk.count
            resume(vault, where)
            assert run_script(book, source, where) == [200] * BATCHES, where
            assert vault.stop() == 0, where
            vault.start()
            book.check(where)
            if count == 0:
                break
            fired += 1
    assert vault.stop() == 0
    print(
        f"{fired} faults, {len(book.there)} tokens acknowledged, refusals {book.codes}, "
        f"writing again after {max(resumed):.2f} s at most")
    assert fired >= len(FAILURES) * 4
    assert set(book.codes) == set(REFUSALS)


def resume(vault, where):
    """Waits until the vault writes again by itself; the seconds that took."""
    began = time.monotonic()
    assert vault.wait_ready(5), f"{where}: not writing again 5 s after the disk was well:\n{vault.log_tail()}"
    return time.monotonic() - began


@pytest.mark.parametrize("call", ["fsync", "openat"])
def test_the_vault_does_not_trust_the_store_while_reopening_it_fails(make_vault, source, tmp_path, call):
    """After a failed flush the store is reopened, which flushes it: while that fails too, nothing is answered 200."""
    vault = make_vault()
    book = Book(vault)
    vault.start()
    failures = [("fdatasync", "error=EIO", "2"), (call, "error=EIO", "1..3")]
    with faults.Attached(vault, tmp_path / "trace", [vault.store], failures):
        with vault.client() as client:
            answers = [book.tokenize(client, vaults.cards(source, BATCH)) for _ in range(3)]
            assert answers == [200, "outcome_unknown", "write_stopped"]
            began = time.monotonic()
            while time.monotonic() < began + 1.5:
                assert vault.ready() == 503
                assert book.tokenize(client, vaults.cards(source, 1)) == "write_stopped"
                time.sleep(0.05)
        assert vault.wait_ready(10), vault.log_tail()
        assert not vault.wrong(book.there)
    assert "store_reopen_failed" in vault.log.read_text()
    with vault.client() as client:
        assert book.tokenize(client, vaults.cards(source, BATCH)) == 200
    assert vault.stop() == 0
    vault.start()
    book.check(call)
    assert vault.stop() == 0


START_CALLS = {
    "openat": ["error=EIO", "error=EMFILE"],
    "fsync": ["error=EIO"],
    "fdatasync": ["error=EIO"],
    "pwrite64": ["error=EIO", "error=ENOSPC"],
    "writev": ["error=EIO"],
    "read": ["error=EIO"],
    "pread64": ["error=EIO"],
}


@pytest.mark.parametrize("state", ["first", "later"])
def test_a_start_that_meets_a_failing_disk_ends_with_a_reason_and_the_next_one_is_clean(
        make_vault, source, tmp_path, state):
    """Every Nth open, read, write and flush of a start fails: it ends with an exit code of sysexits and a message, or it
    serves; it never ends by a signal; the next start gives every token."""
    stride = max(1, vaults.knob("STRONGROOM_FAULT_STRIDE", 12) // 5)
    vault = make_vault()
    book = Book(vault)
    if state == "later":
        vault.start()
        run_script(book, source, "before")
        vault.stop()
    codes, fired = {}, 0
    data = vault.directory / "data"
    paths = [vault.store, data, data / "vault", data / "keyring", vault.directory / "root.key"]
    for row, (call, failure) in enumerate((call, failure) for call in START_CALLS for failure in START_CALLS[call]):
        for n in range(row % stride + 1, 200, stride):
            where = f"start with {call} {failure} when={n}"
            trace = tmp_path / "trace"
            trace.unlink(missing_ok=True)
            vault.start(prefix=faults.options(trace, paths, [(call, failure, n)]), wait=False)
            started = vault.wait_ready(10)
            if started:
                # The daemon is strace's child: it stops when told, and strace with it.
                subprocess_stop(vault)
            code = vault.process.wait(20)
            assert started or 64 <= code <= 78, f"{where}: exit code {code}\n{vault.log_tail(3)}"
            assert started or vault.log_tail(1).startswith("strongroomd: "), f"{where}: {vault.log_tail(3)}"
            if faults.injected(trace) == 0:
                break
            fired += 1
            codes[code] = codes.get(code, 0) + 1
            if started:
                print(f"{where}: served all the same: {shown(trace)}")
            vault.start()
            book.check(where)
            run_script(book, source, where)
            assert vault.stop() == 0, where
    print(f"{fired} faults at the {state} start, exit codes {codes}")
    assert fired >= 10


INIT_CALLS = {
    "openat": "error=EIO", "write": "error=ENOSPC", "fsync": "error=EIO", "mkdir": "error=EACCES", "rename": "error=EIO",
    "link": "error=EIO", "fdatasync": "error=EIO", "pwrite64": "error=ENOSPC", "writev": "error=EIO",
}


def test_an_init_that_meets_a_failing_disk_says_so_and_can_be_run_again(make_vault, source, tmp_path):
    """Every open, write, flush, rename and directory of `strongroom init` fails once: it says what failed, the next one
    either makes the vault or finds it made, and the vault works. Never is there one without its keyring or root key."""
    fired, codes = 0, {}
    for call, failure in INIT_CALLS.items():
        for n in range(1, 100):
            where = f"init with {call} {failure} when={n}"
            vault = make_vault(f"{call}-{n}", initialized=False)
            data, trace = vault.directory / "data", tmp_path / "trace"
            trace.unlink(missing_ok=True)
            database = [data / name for name in ("vault", "vault.new", "vault.new/data.mdb")]
            keyring = [data / name for name in ("keyring", "keyring.new")]
            root_key = [vault.directory / name for name in ("root.key", "root.key.new")]
            paths = [vault.directory, data, data / "audit", data / "strongroom.lock", *database, *keyring, *root_key]
            done = vault.try_initialize(faults.options(trace, paths, [(call, failure, n)]))
            assert done.returncode == 0 or 64 <= done.returncode <= 78, f"{where}: {done.returncode} {done.stderr}"
            if faults.injected(trace) == 0:
                break
            fired += 1
            codes[done.returncode] = codes.get(done.returncode, 0) + 1
            if done.returncode == 0:
                print(f"{where}: made all the same: {shown(trace)}")
            again = vault.try_initialize()
            assert again.returncode in (0, 73), f"{where}: {done.stderr}, then {again.returncode} {again.stderr}"
            assert done.returncode != 0 or again.returncode == 73, f"{where}: a second init replaced the first"
            book = Book(vault)
            vault.start()
            run_script(book, source, where)
            assert vault.stop() == 0, where
    print(f"{fired} faults in init, exit codes {codes}")
    assert fired >= 10


def shown(trace):
    """The calls that failed."""
    return [line for line in trace.read_text(errors="replace").splitlines() if "(INJECTED)" in line]


def subprocess_stop(vault):
    """SIGTERM to the daemon below strace."""
    children = vaults.pathlib.Path(f"/proc/{vault.process.pid}/task/{vault.process.pid}/children").read_text().split()
    for child in children:
        vaults.os.kill(int(child), vaults.signal.SIGTERM)
