"""SIGKILL at every write, flush and rename of a rotation, a destruction and a rewrap, and disks that fail under them.

strace kills the daemon as it enters its Nth call of a kind on the vault's files, for N = 1, 2, 3... until a run passes
with no kill. After each: the vault starts, serves every card at every moment, and the rotation ends by itself.
STRONGROOM_KEY_STRIDE (5) says which N are tried: 1 is every one.
"""

import json
import os
import socket
import time

import pytest

import faults
import test_full as full
import vault as vaults

#: Calls by which the database (the first three) and the keyring change.
CALLS = ["pwrite64", "writev", "fdatasync", "write", "fsync", "rename"]
CARDS = 150
EXTRA = "keys: {move_rate: none, move_slice: 40}\n"


@pytest.fixture(autouse=True)
def strace():
    faults.require_strace()


def control(vault, path, method="POST"):
    """A command over the control socket: status and document; None where the daemon went away."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0.2)
        deadline = time.monotonic() + 30
        answer = b""
        try:
            connection.connect(str(vault.directory / "run" / "control.sock"))
            connection.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            while True:
                try:
                    piece = connection.recv(65536)
                except TimeoutError:
                    # A traced process that was killed keeps its sockets until the tracer lets go of it.
                    if is_dying(vault) or time.monotonic() > deadline:
                        return None
                    continue
                if not piece:
                    break
                answer += piece
        except OSError:
            return None
    if b"\r\n\r\n" not in answer:
        return None
    head, body = answer.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)


def is_dying(vault):
    """Whether the daemon's first thread has ended."""
    try:
        stat = vaults.pathlib.Path(f"/proc/{vault.process.pid}/stat").read_text()
    except OSError:
        return True
    return stat.rsplit(")", 1)[1].split()[0] in "ZX"


def jobs(vault):
    answer = control(vault, "/v1/jobs", "GET")
    return answer[1]["jobs"] if answer else None


def wait_for_jobs(vault, seconds=20):
    """True when no rotation is left; False where the daemon went away."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        left = jobs(vault)
        if left is None:
            return False
        if not left:
            return True
        assert left[0]["state"] not in ("blocked",), left
        time.sleep(0.005)
    raise AssertionError(f"a rotation did not end: {jobs(vault)}\n{vault.log_tail()}")


def watched(vault):
    data = vault.directory / "data"
    return [
        data, vault.store, data / "keyring", data / "keyring.new", data / "epoch", data / "epoch.new", vault.directory,
        vault.directory / "next.key", vault.directory / "next.key.new"]


def stocked(make_vault, source):
    """A running vault with cards: it, and (token, card) pairs."""
    vault = make_vault(extra=EXTRA)
    vault.start()
    pans = vaults.cards(source, CARDS)
    with vault.client() as client:
        return vault, list(zip(client.tokenize_all(pans), pans))


def sweep(stride):
    """(call, N) with every call's N beginning elsewhere, so that a stride meets different places."""
    for row, call in enumerate(CALLS):
        yield call, row % stride + 1


def test_a_kill_at_any_write_of_a_rotation_loses_nothing_and_it_ends_by_itself(make_vault, source, tmp_path):
    """Data and index keys, moved in slices, destroyed at the end. The versions count up; no card is ever lost."""
    stride = vaults.knob("STRONGROOM_KEY_STRIDE", 5)
    vault, pairs = stocked(make_vault, source)
    kills, restarts = 0, []
    for call, first in sweep(stride):
        for n in range(first, 10_000, stride):
            where = f"kill at {call} number {n}"
            with faults.Attached(vault, tmp_path / "trace", watched(vault), [(call, "signal=KILL", str(n))]):
                answer = control(vault, "/v1/keys/rotate?purpose=all")
                assert answer is None or answer[0] == 200, f"{where}: {answer}"
                ended = answer is not None and wait_for_jobs(vault)
            if ended:
                break
            kills += 1
            assert vault.process.wait(10) == -vaults.signal.SIGKILL, where
            restarts.append(vault.start())
            wrong = vault.wrong(pairs)
            assert not wrong, f"{where}: {len(wrong)} of {len(pairs)} lost or wrong: {wrong[:3]}"
            assert wait_for_jobs(vault), where
            check(vault, pairs, where)
    keys = control(vault, "/v1/keys", "GET")[1]
    states = [key["state"] for key in keys["versions"] if key["purpose"] == "data"]
    assert states.count("active") == 1 and set(states) <= {"active", "destroyed"}
    receipts = [r for r in keys["receipts"] if r["purpose"] == "data"]
    assert len(receipts) == states.count("destroyed")
    assert all(r["records_moved"] == CARDS for r in receipts), "records were lost from or counted twice in a receipt"
    print(f"{kills} kills, {len(receipts)} data keys destroyed, ready again after {max(restarts):.2f} s at most")
    assert kills >= len(CALLS) * 2
    assert vault.stop() == 0


def check(vault, pairs, where):
    """Every card, no second token for one of them, and all tables against each other."""
    wrong = vault.wrong(pairs)
    assert not wrong, f"{where}: {len(wrong)} of {len(pairs)} lost or wrong: {wrong[:3]}"
    with vault.client() as client:
        some = pairs[::7]
        assert client.tokenize_all([pan for _, pan in some]) == [token for token, _ in some], where
        assert client.find(pairs[0][1]) == pairs[0][0], where
    vault.check_sound(where)


def wrong_while_reopening(vault, pairs):
    """As `wrong`; in the moment in which the store is reopened the vault may ask for patience."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return vault.wrong(pairs)
        except AssertionError as error:
            assert "'busy'" in str(error) and time.monotonic() < deadline, error
            time.sleep(0.01)


def test_a_kill_at_any_write_of_a_rewrap_leaves_the_old_root_key_or_the_new_one(make_vault, source, tmp_path):
    """Exactly one of the two opens the vault, and all cards are there."""
    vault, pairs = stocked(make_vault, source)
    kills, outcomes = 0, {"old": 0, "new": 0}
    text = vault.configuration.read_text()
    new = vault.directory / "next.key"
    for call in CALLS:
        for n in range(1, 10_000):
            where = f"kill at {call} number {n}"
            with faults.Attached(vault, tmp_path / "trace", watched(vault), [(call, "signal=KILL", str(n))]):
                answer = control(vault, f"/v1/keys/rewrap?root=file:{new}")
            if answer is None:
                assert vault.process.wait(10) == -vaults.signal.SIGKILL, where
                kills += 1
                vault.configuration.write_text(text)
                vault.start(wait=False)
                outcome = "old" if vault.wait_ready(10) else "new"
            else:
                assert answer[0] == 200, f"{where}: {answer}"
                vault.stop()
                outcome = "new"
            if outcome == "new":
                if answer is None:
                    assert vault.process.wait(10) == 78, where
                vault.configuration.write_text(text.replace("root.key", "next.key"))
                vault.start()
            outcomes[outcome] += answer is None
            assert not vault.wrong(pairs), where
            # Back to where it began: the next round starts with the same key in the same file.
            if outcome == "new":
                back = vault.directory / f"back-{kills}-{call}.key"
                assert control(vault, f"/v1/keys/rewrap?root=file:{back}")[0] == 200, where
                vault.stop()
                os.replace(back, vault.directory / "root.key")
                vault.configuration.write_text(text)
                vault.start()
            new.unlink(missing_ok=True)
            if answer is not None:
                break
    print(f"{kills} kills: {outcomes}")
    assert kills >= 10 and outcomes["old"] > 0 and outcomes["new"] > 0
    check(vault, pairs, "after all rewraps")
    assert vault.stop() == 0


@pytest.mark.parametrize("failure", ["error=EIO", "error=ENOSPC"])
def test_a_disk_that_fails_under_a_rotation_stops_it_and_it_ends_when_the_disk_is_well(
        make_vault, source, tmp_path, failure):
    """Cards are served meanwhile; nothing answered is lost; the vault lives."""
    stride = vaults.knob("STRONGROOM_KEY_STRIDE", 5)
    vault, pairs = stocked(make_vault, source)
    fired = 0
    for call, first in sweep(stride):
        for n in range(first, 10_000, stride):
            where = f"{call} {failure} number {n}"
            with faults.Attached(vault, tmp_path / "trace", watched(vault), [(call, failure, str(n))]) as disk:
                answer = control(vault, "/v1/keys/rotate?purpose=all")
                assert answer is not None and answer[0] in (200, 503, 507), f"{where}: {answer}"
                assert not wrong_while_reopening(vault, pairs), where
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and not (jobs(vault) == [] and vault.ready() == 200):
                    time.sleep(0.01)
                assert jobs(vault) == [] and vault.ready() == 200, f"{where}: {jobs(vault)}\n{vault.log_tail()}"
                count = disk.count
            assert vault.process.poll() is None, f"{where}: the daemon died\n{vault.log_tail()}"
            check(vault, pairs, where)
            if count == 0:
                break
            fired += 1
            # What is in force is what a power cut would leave: a restart finds it.
            before = control(vault, "/v1/keys", "GET")[1]
            assert before["keyring_certain"], where
            assert vault.stop() == 0, where
            vault.start()
            after = control(vault, "/v1/keys", "GET")[1]
            assert after["generation"] == before["generation"], where
            check(vault, pairs, where)
    print(f"{fired} faults")
    assert fired >= len(CALLS)
    assert vault.stop() == 0


def test_a_disk_that_fills_during_a_rotation_pauses_it_and_it_ends_when_there_is_space(make_vault, source, tmp_path):
    """The job says so; reveals and forgets go on; nothing needs a restart."""
    with full.small_disk(tmp_path / "disk", 8 << 20) as disk:
        vault = make_vault(directory=disk / "vault", extra="keys: {move_rate: 400, move_slice: 20}\n")
        vault.start()
        pans = vaults.cards(source, 2000)
        with vault.client() as client:
            tokens = client.tokenize_all(pans[:1000]) + client.tokenize_all(pans[1000:])
        pairs = list(zip(tokens, pans))
        # Entries of the index move to other pages, so this one needs space; records are sealed anew where they lie.
        assert control(vault, "/v1/keys/rotate?purpose=index")[0] == 200
        taken = full.fill_disk(disk)
        deadline = time.monotonic() + 20
        while jobs(vault)[0]["state"] == "moving" and time.monotonic() < deadline:
            time.sleep(0.05)
        (job,) = jobs(vault)
        assert job["state"] == "paused" and ("storage_full" in job["reason"] or "write_stopped" in job["reason"]), job
        assert not wrong_while_reopening(vault, pairs)
        # A second rotation, and whatever else writes the keyring, says what is missing.
        answer = control(vault, "/v1/keys/rotate?purpose=data")
        assert answer[0] in (503, 507), answer
        taken.unlink()
        began = time.monotonic()
        while jobs(vault) and jobs(vault)[0]["state"] != "moving" and time.monotonic() < began + 10:
            time.sleep(0.02)
        seconds = time.monotonic() - began
        assert wait_for_jobs(vault, 40)
        check(vault, pairs, "after the disk was full")
        with vault.client() as client:
            assert client.call("forget", {"token": tokens[0]}) == (200, {"forgotten": 1})
        print(f"moving again {seconds:.2f} s after space was free")
        assert seconds < 5
        assert vault.stop() == 0
