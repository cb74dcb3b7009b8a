"""The planes without cards: probes, metrics, control socket, systemd, and how the daemon stops."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import cards
import strongroom
import wire

PAN = "4111111111111111"


def test_probes_answer_and_take_get_and_head_only(vault):
    """Plain HTTP on loopback, nothing else there."""
    assert vault.operations("/livez") == (200, "live\n")
    assert vault.operations("/readyz") == (200, "ready\n")
    assert vault.operations("/livez", method="HEAD") == (200, "")
    assert vault.operations("/livez", method="POST")[0] == 405
    for path in ("/", "/v1/status", "/v1/tokenize", "/metrics/", "/debug"):
        assert vault.operations(path)[0] == 404


def test_metrics_are_prometheus_text_and_count_what_happened(vault):
    """Every sample has HELP and TYPE before it; counters move by what was asked; no digits of cards or tokens in
    them.
    """
    before = vault.metrics()
    token = vault.client("checkout").tokenize(PAN)
    vault.client("billing").detokenize(token)
    vault.client("billing").post("/v1/detokenize", {"purpose": "nope", "token": token})
    vault.client("billing").post("/v1/detokenize", f"{token}\n{token}", type="text/plain",
                                 headers={"Strongroom-Purpose": "charge"})
    after = vault.metrics()

    def moved(name):
        return after.get(f"strongroom_{name}", 0) - before.get(f"strongroom_{name}", 0)

    assert moved('requests_total{call="tokenize",code="ok"}') == 1
    assert moved('requests_total{call="detokenize",code="ok"}') == 1
    assert moved('requests_total{call="detokenize",code="purpose_denied"}') == 1
    assert moved('requests_total{call="bulk_detokenize",code="ok"}') == 1
    assert moved("tokens_made_total") == 1 and moved("cards_revealed_total") == 3
    assert after["strongroom_write_stopped"] == 0 and after["strongroom_store_tokens"] >= 1

    status, text = vault.operations("/metrics")
    assert status == 200 and token not in text and PAN not in text
    described = set()
    for line in text.splitlines():
        if match := re.fullmatch(r"# (HELP|TYPE) (strongroom_[a-z0-9_]+) .+", line):
            described.add(match[2])
            continue
        match = re.fullmatch(r'(strongroom_[a-z0-9_]+)(\{[a-z0-9_]+="[^"]*"(,[a-z0-9_]+="[^"]*")*\})? [0-9.e+-]+', line)
        assert match, line
        assert re.sub(r"_(bucket|sum|count)$", "", match[1]) in described or match[1] in described, line


def test_histograms_grow_with_their_bounds(vault):
    """Buckets are cumulative, and the last is the count."""
    vault.client("checkout").tokenize(PAN)
    metrics = vault.metrics()
    prefix = 'strongroom_request_duration_seconds_bucket{call="tokenize",le="'
    buckets = [value for name, value in metrics.items() if name.startswith(prefix)]
    assert buckets == sorted(buckets) and len(buckets) > 5
    assert buckets[-1] == metrics['strongroom_request_duration_seconds_count{call="tokenize"}']


def test_status_comes_over_the_control_socket(vault):
    """As JSON over HTTP, and through the command line for people and machines."""
    vault.client("checkout").tokenize(PAN)
    status = vault.status()
    assert status["pid"] == vault.pid and status["write_state"] == "writing" and status["sealed"] is False
    assert status["store"]["tokens"] == status["formats"][0]["tokens"] >= 1
    assert {key["purpose"] for key in status["keys"]} >= {"data", "index"}
    assert {certificate["kind"] for certificate in status["certificates"]} == {"server", "client_ca", "client"}
    done = subprocess.run(
        [strongroom.COMMAND, "status", "--json", "--config", vault.config], capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vault_id"] == status["vault_id"]
    done = subprocess.run([strongroom.COMMAND, "status", "--config", vault.config], capture_output=True, timeout=20)
    assert done.returncode == 0 and PAN.encode() not in done.stdout


def test_the_control_socket_is_for_the_owner_and_its_group(vault):
    """Mode 0660 with the group, or 0600 where the group does not exist; the clients' socket is open to all: TLS
    guards it.
    """
    mode = stat.S_IMODE(os.stat(vault.directory / "run" / "control.sock").st_mode)
    assert mode in (0o600, 0o660) and mode & 0o007 == 0
    assert stat.S_IMODE(os.stat(vault.unix).st_mode) == 0o666
    for path, method in (("/v1/tokenize", "POST"), ("/", "GET"), ("/v1/status", "DELETE")):
        assert vault.control(path, method)[0] == 404


def test_verify_finds_a_sound_vault_sound(vault):
    """While it serves."""
    vault.client("checkout").tokenize_all(cards.make_pans(100))
    done = subprocess.run([strongroom.COMMAND, "verify", "--config", vault.config], capture_output=True, timeout=60)
    assert done.returncode == 0, done


class Systemd:
    """The other end of NOTIFY_SOCKET: collects what the daemon says."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(0.2)
        self.name = name
        self.messages = []

    def wait_for(self, line, within=10.0):
        """Waits for a message with this line; gives it, or fails."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            try:
                self.messages.append(self.socket.recv(4096).decode().splitlines())
            except TimeoutError:
                continue
            if any(row == line or row.startswith(line) for row in self.messages[-1]):
                return self.messages[-1]
        raise AssertionError(f"{line} did not come: {self.messages}")


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_is_told_of_ready_reload_and_stop_and_fed_its_watchdog(new_vault, tmp_path_factory, abstract):
    """READY after the start, RELOADING with the clock then READY on SIGHUP, WATCHDOG in time, STOPPING on SIGTERM."""
    name = f"@strongroom-{os.getpid()}" if abstract else str(tmp_path_factory.mktemp("n") / "notify")
    systemd = Systemd(name)
    vault = new_vault(environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "6000000"})
    ready = systemd.wait_for("READY=1")
    assert any(row.startswith("STATUS=") for row in ready)
    if not abstract:
        systemd.wait_for("WATCHDOG=1", within=6)
        systemd.wait_for("WATCHDOG=1", within=6)
    before = time.monotonic_ns() // 1000
    vault.signal(signal.SIGHUP)
    reloading = systemd.wait_for("RELOADING=1")
    [stamp] = [int(row.split("=")[1]) for row in reloading if row.startswith("MONOTONIC_USEC=")]
    assert before <= stamp <= time.monotonic_ns() // 1000
    systemd.wait_for("READY=1")
    assert vault.stop() == 0
    systemd.wait_for("STOPPING=1")
    systemd.socket.close()


def test_a_watchdog_for_another_process_is_not_fed(new_vault, tmp_path_factory):
    """WATCHDOG_PID names who is watched."""
    systemd = Systemd(str(tmp_path_factory.mktemp("n") / "notify"))
    vault = new_vault(environment={"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "900000", "WATCHDOG_PID": "1"})
    systemd.wait_for("READY=1")
    with pytest.raises(AssertionError):
        systemd.wait_for("WATCHDOG=1", within=2)
    assert vault.is_running
    systemd.socket.close()


def test_sigterm_finishes_what_is_under_way_and_exits_0(new_vault):
    """A bulk upload in the middle, a JSON body half sent: both are answered whole; idle connections and listeners close
    at once; nothing acknowledged is lost."""
    vault = new_vault()
    pans = cards.make_pans(300)
    bulk, half, idle = vault.connect("checkout"), vault.connect("checkout"), vault.connect("billing")
    idle.exchange("/v1/inspect", {"token": "9900000000000000"})
    head = wire.request("/v1/tokenize", type="text/plain").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    bulk.send(head + wire.chunk(("\n".join(pans[:100]) + "\n").encode()))
    assert bulk.reader.head()[0] == 200
    chunks = bulk.reader.chunks()
    answers = next(chunks)
    request = wire.request("/v1/tokenize", {"pan": PAN})
    half.send(request[:-5])
    time.sleep(0.2)
    vault.signal(signal.SIGTERM)
    assert idle.more(3) and idle.has_ended
    with pytest.raises(OSError):
        vault.socket(timeout=2).recv(1)
    bulk.send(wire.chunk(("\n".join(pans[100:]) + "\n").encode()) + b"0\r\n\r\n")
    answers += b"".join(chunks)
    assert bulk.reader.trailers == {"strongroom-succeeded": "300", "strongroom-failed": "0"}
    half.send(request[-5:])
    answer = half.answer()
    assert answer.status == 200 and answer.headers["connection"] == "close"
    tokens = [*answers.decode().split(), answer.json()["token"]]
    assert vault.process.wait(10) == 0
    vault.start()
    revealed = vault.client("billing").detokenize_all(tokens)
    assert [result["pan"] for result in revealed] == [*pans, PAN]


def test_sigterm_under_load_loses_no_acknowledged_token(new_vault):
    """Writers on ten connections until the end: whatever got its 200 is there after the restart."""
    vault = new_vault()
    acknowledged = {}

    def write(index):
        try:
            with vault.connect("checkout", timeout=10) as connection:
                for serial in range(100_000):
                    pan = cards.make_pan(index * 100_000 + serial)
                    answer = connection.exchange("/v1/tokenize", {"pan": pan})
                    if answer is None:
                        return
                    if answer.status == 200:
                        acknowledged[answer.json()["token"]] = pan
        except (OSError, wire.ProtocolError):
            pass

    threads = [threading.Thread(target=write, args=(index,)) for index in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert vault.stop(within=20) == 0
    for thread in threads:
        thread.join(20)
    assert len(acknowledged) > 100
    vault.start()
    tokens = list(acknowledged)
    for start in range(0, len(tokens), 10_000):
        part = tokens[start : start + 10_000]
        revealed = vault.client("billing").detokenize_all(part)
        assert [result["pan"] for result in revealed] == [acknowledged[token] for token in part]


def test_a_drain_ends_at_its_deadline_and_at_a_second_signal(new_vault):
    """A request that never ends holds the stop for the configured time, or until it is asked again."""
    values = strongroom.settings(timeouts={"drain": "1s"})
    vault = new_vault(values)

    def hang():
        connection = vault.connect("checkout")
        connection.send(wire.request("/v1/tokenize", {"pan": PAN})[:-3])
        time.sleep(0.2)
        return connection

    with hang():
        begun = time.monotonic()
        assert vault.stop(within=10) == 0
        assert 0.8 < time.monotonic() - begun < 4
    vault.write_config({**values, "timeouts": {"drain": "60s"}})
    vault.start()
    with hang():
        vault.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert vault.is_running
        begun = time.monotonic()
        vault.signal(signal.SIGTERM)
        assert vault.process.wait(10) == 0 and time.monotonic() - begun < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_in_the_moment_of_readiness_is_obeyed(new_vault, number):
    """From the first 200 of /readyz on: stopped with 0, or reloaded and alive; never killed."""
    vault = new_vault(start=False)
    for _ in range(10):
        vault.start()
        vault.signal(number)
        if number == signal.SIGHUP:
            for _ in range(500):
                if not vault.is_running or vault.metrics()["strongroom_reloads_total"]:
                    break
                time.sleep(0.01)
            assert vault.is_running and vault.metrics()["strongroom_reloads_total"] == 1
            assert vault.stop() == 0
        else:
            assert vault.process.wait(10) == 0


def test_sigint_stops_like_sigterm(new_vault):
    """For a daemon in a terminal."""
    vault = new_vault()
    vault.signal(signal.SIGINT)
    assert vault.process.wait(10) == 0
    assert "stopped" in vault.log


def test_the_process_is_hardened(vault):
    """Not dumpable, no core files, no other user's eyes: /proc says so."""
    limits = open(f"/proc/{vault.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits)
    if os.geteuid() == 0:
        assert os.stat(f"/proc/{vault.pid}/environ").st_uid == 0
    status = open(f"/proc/{vault.pid}/status").read()
    assert re.search(r"VmLck:\s+[1-9]\d* kB", status), "key memory is not locked"


def test_the_log_is_json_where_that_is_asked_for(new_vault):
    """One object a line with time, level and event."""
    vault = new_vault(strongroom.settings(log={"format": "json", "level": "trace"}))
    assert not vault.stop()
    events = [json.loads(line) for line in vault.log.splitlines()]
    assert {"time", "level", "event"} <= set(events[0])
    assert [entry["event"] for entry in events][0] == "started" and events[-1]["event"] == "stopped"
