"""Power cuts: what the disk may hold after one, built from a recording of what the daemon wrote and flushed.

recorder.c logs every write, flush and rename of `strongroom init` and of the daemon; the clients log what was answered.
replay.c then cuts that log at random events and builds disks as a power cut may leave them: torn, reordered, with and
without names that were not flushed. Every token answered before the cut must be on every such disk.
"""

import json
import os
import shutil
import struct
import subprocess
import threading
import time

import pytest

import vault as vaults

HERE = vaults.pathlib.Path(__file__).resolve().parent
STRICT = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]


class Recording:
    """One recorded life of a vault: made, started, loaded, killed, started again, loaded, stopped."""

    def __init__(self, make_vault, source, tools, directory):
        self.log = directory / "recording"
        self.tools = tools
        self.lock = threading.Lock()
        self.cards = {}
        self.source = source
        self.directory = directory
        self.vault = make_vault(initialized=False)
        self.environment = {
            "LD_PRELOAD": str(tools / "recorder.so"), "RECORD_ROOT": os.path.realpath(self.vault.directory),
            "RECORD_LOG": str(self.log)}
        self.descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def mark(self, text):
        """Appends what the client knows now to the log, among what the daemon does."""
        data = text.encode()
        # struct event of events.h
        header = struct.pack("=IBBHQQQQ", 0x52435331, ord("A"), 0, 0, 0, 0, 0, len(data))
        os.write(self.descriptor, header + data)

    def live(self, seconds):
        self.vault.initialize(self.environment)
        for path in ("root.key", "data/keyring"):
            self.mark(f"file {path}")
        for ending in (self.vault.kill, self.vault.stop):
            self.vault.start(environment=self.environment)
            self.load(seconds)
            ending()
        os.close(self.descriptor)

    def load(self, seconds):
        until = time.monotonic() + seconds
        errors = []

        def run(body, random):
            try:
                with self.vault.client() as client:
                    while time.monotonic() < until:
                        body(client, random)
            except Exception as error:  # seen by the test, below
                errors.append(error)

        bodies = [self.single, self.single, self.batch, self.forget, self.bulk]
        threads = [
            threading.Thread(target=run, args=(body, vaults.random.Random(self.source.random()))) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 30)
        assert not errors, errors

    def answered(self, kind, pans, tokens):
        assert tokens and all(tokens), "a healthy vault refused a card"
        self.mark(f"{kind} {' '.join(tokens)}")
        with self.lock:
            self.cards.update(zip(tokens, pans))

    def single(self, client, random):
        pan = vaults.card(random)
        self.answered("tokens", [pan], [client.tokenize(pan)])
        time.sleep(0.002)

    def batch(self, client, random):
        pans = vaults.cards(random, random.choice((2, 5, 20)))
        self.answered("batch", pans, client.tokenize_all(pans))
        time.sleep(0.01)

    def forget(self, client, random):
        pans = vaults.cards(random, 3)
        tokens = client.tokenize_all(pans)
        self.answered("tokens", pans, tokens)
        self.mark(f"forgetting {tokens[0]}")
        status, body = client.call("forget", {"token": tokens[0]})
        assert (status, body) == (200, {"forgotten": 1})
        self.mark(f"forgotten {tokens[0]}")
        time.sleep(0.01)

    def bulk(self, client, random):
        pans = vaults.cards(random, 10)
        client.bulk_open()
        client.bulk_send(pans)
        client.bulk_close()
        self.answered("tokens", pans, [client.bulk_answer() for _ in pans])
        assert client.bulk_answer() is None
        time.sleep(0.02)

    def replay(self, *options):
        """What replay.c found, as a dictionary."""
        work = self.directory / "work"
        if os.access("/dev/shm", os.W_OK):
            work = vaults.pathlib.Path(f"/dev/shm/strongroom-replay-{os.getpid()}")
        work.mkdir()
        try:
            done = subprocess.run(
                [self.tools / "replay", self.log, self.vault.store.parent, work, *map(str, options)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=3600)
        finally:
            shutil.rmtree(work)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        found["messages"] = done.stderr
        return found


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The recorder and the replayer, built with the system's compiler."""
    if not shutil.which("cc"):
        pytest.skip("!!! no C compiler (cc): power cuts are NOT tested")
    built = tmp_path_factory.mktemp("tools")
    sources = [HERE / name for name in ("replay.c", "disk.c", "check.c")]
    for command in (
            ["cc", *STRICT, "-shared", "-fPIC", HERE / "recorder.c", "-o", built / "recorder.so", "-ldl"],
            ["cc", *STRICT, *sources, "-o", built / "replay", "-llmdb"]):
        subprocess.run(command, check=True, timeout=120)
    return built


def recorded(kind, seconds, request, tools, certificates, tmp_path_factory):
    """Yields that kind of recording, of two lives of as many seconds; for the fixtures of a module."""
    directory = tmp_path_factory.mktemp("recording")
    made = []

    def make(**options):
        made.append(vaults.Vault(directory / "vault", certificates, **options))
        return made[-1]

    recording = kind(make, vaults.seeded(request), tools, directory)
    try:
        recording.live(seconds=seconds)
        yield recording
    finally:
        made[0].kill()


@pytest.fixture(scope="module")
def recording(request, tools, certificates, tmp_path_factory):
    yield from recorded(Recording, 1.0, request, tools, certificates, tmp_path_factory)


def test_no_power_cut_loses_an_acknowledged_token_or_the_keyring(recording, source):
    """5,000 disks (STRONGROOM_REPLAY_STATES for more): every acknowledged token there with its record unchanged, every
    acknowledged forget still forgotten, requests whole or absent, index and counters in step, the keyring never torn."""
    states, seed = vaults.knob("STRONGROOM_REPLAY_STATES", 5000), source.randrange(1 << 60)
    began = time.monotonic()
    found = recording.replay("--states", states, "--seed", seed)
    print(f"replay seed {seed}: {found}, {states / (time.monotonic() - began):.0f} states/s")
    assert found["states"] == states
    assert found["bad"] == 0, f"{found['bad']} of {states} disks are bad:\n{found['messages']}"
    assert found["checked"] > 100 * states, "too few tokens were there to lose"
    assert found["keyring_whole"] > states // 2


@pytest.mark.parametrize("without", ["all", "data", "meta"])
def test_control_without_a_kind_of_flush_power_cuts_do_lose_tokens(recording, source, without):
    """Proves that the check can fail: with the store's flushes (all, those of pages, or the synchronous write of the
    meta page) taken for undone, acknowledged tokens must be missing."""
    found = recording.replay("--states", 300, "--seed", source.randrange(1 << 60), "--without", without)
    print(f"without {without}: {found['bad']} of {found['states']} disks bad, {found['lost']} tokens lost")
    assert found["lost"] > 0
    assert found["bad"] >= 10


def test_control_without_flushed_directories_power_cuts_do_lose_the_vault(recording, source):
    """Proves that names are checked: were no directory flushed, the files that `init` acknowledged could be gone."""
    found = recording.replay("--states", 300, "--seed", source.randrange(1 << 60), "--without", "directories")
    print(f"without directories: {found['bad']} of {found['states']} disks bad, {found['file_bad']} files gone")
    assert found["file_bad"] > 0
    assert found["lost"] > 0


def test_the_daemon_itself_serves_what_a_power_cut_leaves(recording, source, make_vault, tmp_path):
    """Some of those disks (STRONGROOM_REPLAY_OPENED, 20) opened by the daemon: it starts, gives every acknowledged card,
    knows no forgotten token, finds nothing in `verify`, and takes new cards."""
    count, seed = vaults.knob("STRONGROOM_REPLAY_OPENED", 20), source.randrange(1 << 60)
    exported = tmp_path / "exported"
    exported.mkdir()
    found = recording.replay("--states", 2 * count, "--seed", seed, "--export", exported)
    opened = 0
    for directory in sorted(exported.iterdir(), key=lambda path: int(path.name)):
        expected = [line.split() for line in (directory / "expected").read_text().splitlines()]
        there = [(token, recording.cards[token]) for kind, token in expected if kind == "there"]
        gone = [token for kind, token in expected if kind == "gone"]
        if not (directory / "data" / "keyring").exists() or opened == count:
            assert not expected or opened == count, "a disk with acknowledged tokens and no keyring"
            continue
        opened += 1
        check_opened(make_vault(directory=directory, initialized=False), there, gone, source, seed)
    print(f"replay seed {seed}: {opened} of {found['exported']} disks opened by the daemon")
    assert opened >= count // 2


def test_a_power_cut_in_init_leaves_a_vault_or_none(recording, source, make_vault, tmp_path):
    """500 disks cut off while `strongroom init` runs: the keyring is whole or absent. On 20 of them `init` is run again:
    it makes the vault or finds it made, and the vault works."""
    seed = source.randrange(1 << 60)
    exported = tmp_path / "exported"
    exported.mkdir()
    found = recording.replay("--states", 500, "--seed", seed, "--cuts", "init", "--export", exported, "--every", 25)
    assert found["bad"] == 0, found["messages"]
    assert found["keyring_absent"] and found["keyring_whole"] and not found["keyring_bad"]
    codes = []
    for directory in sorted(exported.iterdir()):
        vault = make_vault(directory=directory, initialized=False)
        where = f"state {directory.name} of seed {seed}"
        again = vault.try_initialize()
        assert again.returncode in (0, 73), f"{where}: {again.returncode} {again.stderr}"
        codes.append(again.returncode)
        check_opened(vault, [], [], source, seed)
    print(
        f"replay seed {seed}: keyring absent {found['keyring_absent']}, whole {found['keyring_whole']}; init run again "
        f"on {len(codes)} disks: {codes.count(0)} made, {codes.count(73)} were there")
    assert 0 in codes


def check_opened(vault, there, gone, source, seed):
    where = f"state {vault.directory.name} of seed {seed}"
    vault.start()
    wrong = vault.wrong(there)
    assert not wrong, f"{where}: {len(wrong)} of {len(there)} acknowledged tokens lost or wrong: {wrong[:3]}"
    assert all(answer == "!not_found" for answer in vault.detokenize(gone)), f"{where}: a forgotten token lives"
    vault.check_sound(where)
    pan = vaults.card(source)
    with vault.client() as client:
        token = client.tokenize(pan)
        assert all(client.find(known) == token for token, known in there[-3:]), f"{where}: a card is not found"
    assert not vault.wrong([(token, pan)]), where
    assert vault.stop() == 0, where
