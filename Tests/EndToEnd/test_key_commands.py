"""`strongroom keys, jobs, shares, seal, unseal, approve`: for people at a terminal, for pipes and for machines."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

import cards
import strongroom

PAN = "4111111111111111"


def run(vault, *arguments, input=None, code=0, timeout=120):
    """A command of the operator; what it printed on standard output. The exit code must be `code`."""
    done = subprocess.run(
        [strongroom.COMMAND, *arguments, "--config", vault.config], input=input, capture_output=True, text=True,
        timeout=timeout)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    run.errors = done.stderr
    return done.stdout


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, vault, *arguments):
        self.screen = b""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ["TERM"] = "xterm"
            os.execv(strongroom.COMMAND, [str(strongroom.COMMAND), *arguments, "--config", str(vault.config)])

    def until(self, text, within=20):
        """Reads until the screen has shown a text."""
        deadline = time.monotonic() + within
        while text.encode() not in self.screen:
            assert time.monotonic() < deadline, f"'{text}' was not shown: {self.screen.decode(errors='replace')}"
            ready, _, _ = select.select([self.terminal], [], [], 0.2)
            if ready:
                try:
                    self.screen += os.read(self.terminal, 65536)
                except OSError:
                    break
        assert text.encode() in self.screen, self.screen.decode(errors="replace")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def end(self):
        """The exit code, after the rest was read."""
        while True:
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            self.screen += piece
        _, status = os.waitpid(self.child, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def stocked(new_vault):
    """A vault with 2000 cards that turns keys over in about a second."""
    vault = new_vault(strongroom.settings(keys={"move_rate": 1500, "move_slice": 50}))
    vault.client("checkout").tokenize_all(cards.make_pans(1000))
    vault.client("checkout").tokenize_all(cards.make_pans(1000, start=1000))
    return vault


def test_rotate_and_wait_shows_the_way_and_ends_with_the_receipt(stocked):
    """In a pipe: lines; the result on standard output."""
    vault = stocked
    said = run(vault, "keys", "rotate", "--wait")
    (receipt,) = vault.keys()["receipts"]
    assert receipt["hash"] in said and "2,000" in said
    table = run(vault, "keys", "list")
    assert re.search(r"data\s+1\s+destroyed", table) and re.search(r"data\s+2\s+active", table), table
    assert receipt["hash"] in run(vault, "keys", "list", "--receipts")
    assert json.loads(run(vault, "keys", "list", "--json"))["generation"] == 3
    assert run(vault, "jobs").strip() != "" and json.loads(run(vault, "jobs", "--json")) == {"jobs": []}


def test_a_terminal_shows_a_bar_with_rate_and_time_left(stocked):
    """And it is gone when the work is done."""
    vault = stocked
    terminal = Terminal(vault, "keys", "rotate", "--wait")
    terminal.until("%")
    terminal.until("left")
    assert terminal.end() == 0
    screen = terminal.screen.decode()
    assert "/s" in screen and "#" in screen and "destroyed" in screen
    assert vault.versions() == {1: "destroyed", 2: "active"}


def test_watching_jobs_in_a_pipe_and_for_machines(stocked):
    """Plain lines; JSON lines whose progress only grows; the end when no job is left."""
    vault = stocked
    run(vault, "keys", "rotate", "all", "--yes")
    lines = [json.loads(line) for line in run(vault, "jobs", "watch", "--json", "--interval", "0.2").splitlines()]
    done = [job["done"] for line in lines for job in line.get("jobs", [line]) if job.get("purpose") == "data"]
    assert len(done) >= 2 and done == sorted(done), lines
    assert vault.jobs() == []
    run(vault, "keys", "rotate")
    text = run(vault, "jobs", "watch", "--interval", "0.3")
    assert "data" in text and "%" in text and "\x1b" not in text


def test_an_index_rotation_says_that_fingerprints_change_and_asks(stocked):
    """On a terminal; `no` changes nothing."""
    vault = stocked
    terminal = Terminal(vault, "keys", "rotate", "index")
    terminal.until("ingerprints")
    terminal.type("n\n")
    assert terminal.end() != 0 and vault.versions("index") == {1: "active"}
    terminal = Terminal(vault, "keys", "rotate", "index", "--wait")
    terminal.until("ingerprints")
    terminal.type("y\n")
    assert terminal.end() == 0 and vault.versions("index") == {1: "destroyed", 2: "active"}


def test_refusals_reach_the_operator_with_an_exit_code(stocked):
    """What the daemon says, and sysexits."""
    vault = stocked
    run(vault, "keys", "destroy", "1", code=65)
    assert "version 1 is active" in run.errors
    run(vault, "keys", "destroy", "7", code=65)
    run(vault, "keys", "rotate")
    run(vault, "keys", "rotate", code=75)
    assert "under way" in run.errors
    run(vault, "keys", "rewrap", "--root", "shares:3/2", code=65)
    run(vault, "approve", "77", code=65)
    assert "not sealed" in run(vault, "unseal", input="x\n")
    run(vault, "keys", "rotate", "everything", code=64)


def test_a_vault_made_with_shares_is_opened_by_its_custodians(new_vault, tmp_path):
    """`init` puts the shares out before the vault exists; `unseal` asks for them without echo, one at a time."""
    vault = new_vault(
        strongroom.settings(root_key={"shares": {"threshold": 2, "count": 3}}), start=False, initialize=False)
    out = tmp_path / "shares"
    out.mkdir(0o700)
    run(vault, "init", "--custodian", "anna", "--custodian", "ben", "--custodian", "cleo", "--output-dir", str(out))
    files = sorted(out.iterdir())
    assert [file.name for file in files] == ["share-1-anna", "share-2-ben", "share-3-cleo"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    shares = [file.read_text().strip().splitlines()[-1].strip() for file in files]
    assert not (vault.directory / "root.key").exists()

    vault.launch()
    deadline = time.monotonic() + 10
    while not (vault.directory / "run" / "control.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "sealed" in run(vault, "status")
    terminal = Terminal(vault, "unseal")
    terminal.until("hare")
    terminal.type(shares[0] + "\n")
    terminal.until("1 of 2")
    terminal.type(shares[0] + "\n")
    terminal.until("entered already")
    terminal.type(shares[2] + "\n")
    assert terminal.end() == 0
    for share in shares:
        assert share.encode() not in terminal.screen and share[20:40].encode() not in terminal.screen, "an echo"
    token = vault.client("checkout").tokenize(PAN)
    listed = run(vault, "shares", "list")
    assert "anna" in listed and "cleo" in listed
    run(vault, "shares", "acknowledge", "anna")

    # New shares for the same people, in a pipe; the old ones are useless from then on.
    fresh = [line.split("\t")[-1] for line in run(vault, "shares", "refresh").splitlines() if "sr-" in line]
    assert len(fresh) == 3
    run(vault, "seal")
    run(vault, "unseal", input=shares[0] + "\n" + shares[1] + "\n", code=65)
    assert "set" in run.errors
    run(vault, "unseal", input=fresh[1] + "\n" + fresh[2] + "\n")
    assert vault.client("billing").detokenize(token) == PAN
    for share in shares + fresh:
        assert share not in vault.log and share[20:40] not in vault.log


def test_an_interrupted_unseal_gives_the_terminal_back(new_vault):
    """With its echo."""
    vault = new_vault()
    run(vault, "keys", "rewrap", "--root", "shares:2/2")
    run(vault, "seal")
    terminal = Terminal(vault, "unseal")
    terminal.until("hare")
    time.sleep(0.2)
    os.kill(terminal.child, signal.SIGINT)
    # Asked before the descriptor is closed: the echo is a property of the terminal.

    deadline = time.monotonic() + 5
    while not termios.tcgetattr(terminal.terminal)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.02)
    assert termios.tcgetattr(terminal.terminal)[3] & termios.ECHO
    assert terminal.end() != 0


def test_shares_that_cannot_be_put_out_change_nothing(new_vault, tmp_path):
    """A file that is there already, a full output."""
    vault = new_vault()
    out = tmp_path / "out"
    out.mkdir()
    (out / "share-2-custodian-2").write_text("mine")
    generation = vault.keys()["generation"]
    run(vault, "keys", "rewrap", "--root", "shares:2/3", "--output-dir", str(out), code=73)
    assert (out / "share-2-custodian-2").read_text() == "mine"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [strongroom.COMMAND, "keys", "rewrap", "--root", "shares:2/3", "--config", vault.config], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 74, done.stderr
    assert vault.keys()["generation"] == generation and vault.keys()["root"]["kind"] == "file"


def test_two_persons_at_the_command_line(new_vault):
    """The one who asks waits; the other one sees what is asked, and approves."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: approvals by other Unix users are NOT tested")
    vault = new_vault(strongroom.settings(dual_control=["rotate"], control={"group": "nogroup"}), start=False)
    vault.directory.chmod(0o755)
    vault.start()
    (vault.directory / "run").chmod(0o755)
    waiting = subprocess.Popen(
        [strongroom.COMMAND, "keys", "rotate", "--wait", "--config", vault.config], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 10
    while not vault.order("/v1/pending", "GET")["pending"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "rotate the data key" in run(vault, "pending")
    run(vault, "approve", "1", code=77)
    assert "own" in run.errors
    vault.order("/v1/approve?id=1", user=strongroom.OPERATORS[0])
    out, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors
    assert vault.keys()["receipts"][0]["hash"] in out
