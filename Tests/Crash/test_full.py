"""What runs out: disk space, the map, descriptors, the right to write."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import pytest

import vault as vaults

MIB = 1 << 20
#: A disk that fills at the last page of a commit stops writing until the store has proved itself again; and one that has
#: no room for audit records stops everything that needs one.
FULL = ((507, "storage_full"), (503, "write_stopped"), (503, "audit_unavailable"))


@contextlib.contextmanager
def small_disk(path, size):
    """A file system of that many bytes at `path`; skips, loudly, where mounting is not permitted."""
    path.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "strongroom-test", path], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        pytest.skip(f"!!! cannot mount ({tried.stderr.strip()}): full and read-only disks are NOT tested")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill_disk(path, left=0):
    """Takes all free space but that many bytes; the file to remove to have it back."""
    filler = path / "filler"
    with open(filler, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        file.truncate(max(0, file.tell() - left))
    return filler


class Filler:
    """Tokenizes until the vault refuses, and keeps what it was told."""

    def __init__(self, vault, source):
        self.vault, self.source, self.pairs = vault, source, []

    def one(self, client):
        """The status and code of one more card."""
        pan = vaults.card(self.source)
        status, body = client.call("tokenize", {"pan": pan})
        if status == 200:
            self.pairs.append((body["token"], pan))
        return status, body.get("code")

    def until_refused(self, sizes=(500, 50, 5)):
        """Batches of each size until one is refused, then single cards until one is; the refusal of the card."""
        with self.vault.client() as client:
            for size in sizes:
                while True:
                    pans = vaults.cards(self.source, size)
                    status, body = client.call("tokenize", {"cards": [{"pan": pan} for pan in pans]})
                    if status != 200:
                        break
                    self.pairs += [(result["token"], pan) for result, pan in zip(body["results"], pans)]
                    assert len(self.pairs) < 100_000, "the vault never filled"
                assert (status, body["code"]) in FULL, body
            for _ in range(10_000):
                status, code = self.one(client)
                if status != 200:
                    return status, code
        raise AssertionError("a full vault takes cards")

    def check(self, where):
        wrong = self.vault.wrong(self.pairs)
        assert not wrong, f"{where}: {len(wrong)} of {len(self.pairs)} tokens lost or wrong: {wrong[:3]}"
        if self.vault.ready() == 200:
            self.vault.check_sound(where)

    def check_full(self, where):
        """The same on a full disk: there no card comes back without its audit record, and none comes back wrong."""
        with self.vault.client("billing") as billing:
            for token, pan in self.pairs[-20:]:
                status, body = billing.call("detokenize", {"purpose": "charge", "token": token})
                assert body.get("pan") == pan or (status, body["code"]) == (503, "audit_unavailable"), f"{where}: {body}"

    def until_taken(self, seconds, where):
        """Retries until a card is taken; the seconds that took. No refusal may be other than a named one."""
        began = time.monotonic()
        with self.vault.client() as client:
            while True:
                status, code = self.one(client)
                if status == 200:
                    return time.monotonic() - began
                assert (status, code) in FULL, f"{where}: {status} {code}"
                assert time.monotonic() < began + seconds, f"{where}: still refused after {seconds} s: {code}"
                time.sleep(0.02)


def test_a_full_disk_is_refused_by_name_and_space_is_taken_up_within_five_seconds(make_vault, source, tmp_path):
    """Also: a start on the full disk answers and, once there is space, serves."""
    # Four for the database, the rest for the audit log, which takes its room ahead.
    with small_disk(tmp_path / "disk", 10 * MIB) as disk:
        vault = make_vault(directory=disk / "vault", extra="audit: {reserve: 64KiB}\n")
        filler = Filler(vault, source)
        vault.start()
        with vault.client() as client:
            assert filler.one(client) == (200, None)
        for round_number in range(3):
            # The daemon itself takes the rest, and stops in the middle of a commit.
            taken = fill_disk(disk, source.randrange(100_000, 800_000))
            status, code = filler.until_refused(sizes=(20,))
            assert (status, code) in FULL, f"{status} {code}"
            filler.check_full("on the full disk")
            taken.unlink()
            seconds = filler.until_taken(5, "space is free again")
            filler.check("with space")
            print(f"round {round_number}: {len(filler.pairs)} tokens, writing {seconds:.2f} s after space was free")
        taken = fill_disk(disk)
        filler.until_refused(sizes=(20,))
        assert vault.stop() == 0
        vault.start(wait=False)
        assert wait_serving(vault), f"no start on a full disk: {vault.log_tail()}"
        filler.check_full("after a start on the full disk")
        taken.unlink()
        print(f"after the restart: writing {filler.until_taken(5, 'space is free after the start'):.2f} s later")
        filler.check("at the end")
        assert vault.stop() == 0


def wait_serving(vault, seconds=10):
    """Whether the daemon answers on its operations listener, ready or not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and vault.process.poll() is None:
        if vault.ready() is not None:
            return True
        time.sleep(0.02)
    return False


def test_a_full_map_is_storage_full_reads_go_on_and_a_reload_with_a_larger_one_is_enough(make_vault, source):
    """The smallest map, filled; small requests still fit where large ones no more do; the map grows by a reload."""
    vault = make_vault(extra="store: {map_size: 1MiB}\n")
    filler = Filler(vault, source)
    vault.start()
    assert filler.until_refused() == (507, "storage_full")
    assert len(filler.pairs) > 1000
    filler.check("on the full map")
    assert vault.ready() == 200, "a full map is no failed disk"
    vault.configure("store: {map_size: 8MiB}\n")
    vault.process.send_signal(vaults.signal.SIGHUP)
    print(f"{len(filler.pairs)} tokens; writing {filler.until_taken(5, 'a larger map'):.2f} s after the reload")
    assert vault.stop() == 0
    vault.start()
    filler.check("after a restart")
    assert vault.stop() == 0


def test_a_full_map_takes_a_card_again_once_tokens_are_forgotten(make_vault, source):
    """A full map must not need a restart or an operator to get out of: forgetting makes room."""
    vault = make_vault(extra="store: {map_size: 1MiB}\n")
    filler = Filler(vault, source)
    vault.start()
    filler.until_refused()
    gone = filler.pairs[:400]
    with vault.client() as client:
        for start in range(0, len(gone), 20):
            status, body = client.call("forget", {"tokens": [token for token, _ in gone[start:start + 20]]})
            assert status == 200, f"forgetting on a full map: {status} {body}"
    filler.pairs = filler.pairs[400:]
    filler.until_taken(5, "tokens were forgotten")
    filler.check("after forgetting")
    assert vault.stop() == 0


def test_a_read_only_disk_refuses_to_start_by_name_and_is_served_once_it_is_writable(make_vault, source, tmp_path):
    with small_disk(tmp_path / "disk", 16 * MIB) as disk:
        vault = make_vault(directory=disk / "vault")
        filler = Filler(vault, source)
        vault.start()
        with vault.client() as client:
            filler.one(client)
        assert vault.stop() == 0
        # The log lies on the same disk.
        shutil.move(vault.log, tmp_path / "daemon.log")
        vault.log = tmp_path / "daemon.log"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        vault.start(wait=False)
        code = vault.process.wait(10)
        assert 64 <= code <= 78, f"exit code {code}: {vault.log_tail()}"
        assert f"{vault.directory / 'data'}: cannot write in it: Read-only file system" in vault.log_tail(3)
        print(f"exit code {code}: {vault.log_tail(2)}")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        vault.start()
        filler.check("after the read-only start")
        assert vault.stop() == 0


def test_an_unwritable_data_directory_is_named_and_nothing_is_harmed(certificates, source):
    """As a user without rights, since root may write anywhere."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: cannot become another user, unwritable directories are NOT tested")
    nobody = pwd.getpwnam("nobody")
    tried = subprocess.run(
        [vaults.BINARIES / "strongroomd", "--version"], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if os.access(vaults.BINARIES, os.X_OK) else None
    if tried is None or tried.returncode != 0:
        pytest.skip("!!! another user cannot run the binaries where they lie: unwritable directories are NOT tested")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        vault = vaults.Vault(vaults.pathlib.Path(directory) / "vault", certificates)
        filler = Filler(vault, source)
        subprocess.run(["chown", "-R", "nobody:", vault.directory], check=True)
        data = vault.directory / "data"
        try:
            vault.start(user="nobody")
            with vault.client() as client:
                filler.one(client)
            assert vault.stop() == 0
            for path, mode in ((data, 0o500), (data / "vault", 0o500), (vault.store, 0o400), (data, 0o000)):
                kept = path.stat().st_mode & 0o777
                path.chmod(mode)
                vault.start(user="nobody", wait=False)
                # Where only reading is needed a start may succeed.
                started = vault.wait_ready(5)
                code = vault.stop() if started else vault.process.wait(10)
                path.chmod(kept)
                print(f"{path.name} {mode:o}: exit code {code}: {vault.log_tail(1)}")
                if not started:
                    assert 64 <= code <= 78, f"{path} {mode:o}: exit code {code}: {vault.log_tail()}"
                    assert str(data) in vault.log_tail(1), f"{path} {mode:o}: not named: {vault.log_tail(1)}"
            vault.start(user="nobody")
            filler.check("after the refused starts")
            assert vault.stop() == 0
        finally:
            vault.kill()
