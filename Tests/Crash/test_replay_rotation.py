"""Power cuts while keys turn over: disks built from a recording of rotations under load, opened by the daemon itself.

What must hold is the order of two files: no record is ever sealed under a key that a power cut could take back, and no
key is gone before what it protects has moved. See test_replay.py for how the disks are made.
"""

import os
import threading
import time

import pytest

import test_key_kills as keys
import vault as vaults
from test_replay import Recording, check_opened, recorded, tools  # noqa: F401 (a fixture)

EXTRA = "keys: {move_rate: none, move_slice: 20}\n"


class RotatingRecording(Recording):
    """As the plain one, with keys of both kinds turning over all the time."""

    rotations = 0

    def live(self, seconds):
        self.vault.configure(EXTRA)
        self.vault.initialize(self.environment)
        for path in ("root.key", "data/keyring"):
            self.mark(f"file {path}")
        for ending in (self.vault.kill, self.vault.stop):
            self.vault.start(environment=self.environment)
            turning = threading.Thread(target=self.turn, args=(time.monotonic() + seconds,))
            turning.start()
            self.load(seconds)
            turning.join(30)
            ending()
        os.close(self.descriptor)

    def turn(self, until):
        while time.monotonic() < until:
            answer = keys.control(self.vault, "/v1/keys/rotate?purpose=all")
            self.rotations += answer is not None and answer[0] == 200
            time.sleep(0.05)


@pytest.fixture(scope="module")
def recording(request, tools, certificates, tmp_path_factory):  # noqa: F811
    yield from recorded(RotatingRecording, 1.5, request, tools, certificates, tmp_path_factory)


def exported(recording, source, tmp_path, count, *options):
    """That many disks: (directory, tokens that must be there, tokens that must be gone)."""
    out = tmp_path / "exported"
    out.mkdir()
    seed = source.randrange(1 << 60)
    # The checker in C knows no keys, and takes a record that was sealed anew for a wrong one: the daemon judges.
    recording.replay("--states", count, "--seed", seed, "--export", out, "--every", 1, *options)
    for directory in sorted(out.iterdir(), key=lambda path: int(path.name)):
        expected = [line.split() for line in (directory / "expected").read_text().splitlines()]
        yield seed, directory, [token for kind, token in expected if kind == "there"], [
            token for kind, token in expected if kind == "gone"]


def test_no_power_cut_during_rotations_costs_a_card(recording, source, make_vault, tmp_path):
    """40 disks (STRONGROOM_REPLAY_ROTATED): the daemon starts, gives every acknowledged card, ends the rotation that was
    under way, and finds nothing in `verify`."""
    count = vaults.knob("STRONGROOM_REPLAY_ROTATED", 40)
    assert recording.rotations >= 3, "too few rotations were recorded to mean anything"
    opened, versions = 0, set()
    for seed, directory, there, gone in exported(recording, source, tmp_path, count):
        if not (directory / "data" / "keyring").exists():
            assert not there, "a disk with acknowledged tokens and no keyring"
            continue
        opened += 1
        vault = make_vault(directory=directory, initialized=False, extra=EXTRA)
        check_opened(vault, [(token, recording.cards[token]) for token in there], gone, source, seed)
        vault.start()
        assert keys.wait_for_jobs(vault), f"state {directory.name} of seed {seed}"
        found = keys.control(vault, "/v1/keys", "GET")[1]["versions"]
        versions.add(max(key["version"] for key in found))
        assert all(key["records"] == 0 for key in found if key["state"] == "destroyed")
        check_opened_again(vault, there, recording, f"state {directory.name} of seed {seed}")
    print(f"{recording.rotations} rotations recorded, {opened} disks opened, up to key version {max(versions)}")
    assert opened >= count // 2 and len(versions) >= 3


def check_opened_again(vault, there, recording, where):
    wrong = vault.wrong([(token, recording.cards[token]) for token in there])
    assert not wrong, f"{where}: {len(wrong)} of {len(there)} lost after the rotation ended: {wrong[:3]}"
    vault.check_sound(where)
    assert vault.stop() == 0, where


def test_control_without_flushed_directories_rotations_do_lose_cards(recording, source, make_vault, tmp_path):
    """Proves that the order is checked: were the keyring's new name not flushed before it is used, cards are lost."""
    bad = 0
    for seed, directory, there, _ in exported(recording, source, tmp_path, 30, "--without", "directories"):
        if not there or not (directory / "data" / "keyring").exists() or not (directory / "root.key").exists():
            continue
        vault = make_vault(directory=directory, initialized=False, extra=EXTRA)
        vault.start(wait=False)
        if not vault.wait_ready(5):
            # It does not start, or does not serve without the audit log that its database knows of.
            bad += 1
            vault.kill()
            continue
        bad += bool(vault.wrong([(token, recording.cards[token]) for token in there]))
        vault.kill()
    print(f"{bad} disks lost cards or refused to start")
    assert bad > 0
