"""No audit record, no answer: a log whose disk fails, fills or hangs stops reveals and writes, and nothing else."""

import http.client
import json
import re
import socket
import subprocess
import time

import auditlog
import faults
import pytest
import test_full
import vault as vaults

REFUSED = (503, "audit_unavailable")


def answer(vault, client, call, document):
    with vault.client(client) as connection:
        status, body = connection.call(call, document)
    return status, body.get("code")


def status(vault):
    """What the control socket says of the audit log."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(str(vault.directory / "run" / "control.sock"))
    try:
        connection.request("GET", "/v1/status")
        return json.loads(connection.getresponse().read())["audit"]
    finally:
        connection.close()


def metric(vault, name):
    return float(re.search(rf"^{name} (.+)$", vault.get("/metrics")[1], re.MULTILINE)[1])


def bulk(client, operation, lines, fields=""):
    """The answer lines of a bulk request."""
    client.bulk_open(operation, fields)
    client.bulk_send(lines)
    client.bulk_close()
    answers = []
    while (line := client.bulk_answer()) is not None:
        answers.append(line)
    return answers


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def segment(vault):
    return sorted((vault.directory / "data" / "audit").glob("*.jsonl"))[-1]


@pytest.fixture
def vault(make_vault):
    return make_vault(extra="audit: {timeout: 2s, reserve: 64KiB, checkpoints: {interval: 1s}}\n")


@pytest.fixture
def started(vault, source):
    vault.start()
    vault.pans = vaults.cards(source, 3)
    with vault.client() as client:
        vault.tokens = client.tokenize_all(vault.pans)
    return vault


def refuses_all(vault, source):
    """Everything that reveals, tells or stores anything is refused, in JSON and in bulk."""
    token, pan = vault.tokens[0], vaults.card(source)
    assert answer(vault, "billing", "detokenize", {"purpose": "charge", "token": token}) == REFUSED
    assert answer(vault, "billing", "detokenize", {"purpose": "charge", "tokens": vault.tokens}) == REFUSED
    assert answer(vault, "billing", "inspect", {"token": token}) == REFUSED
    assert answer(vault, "checkout", "find", {"format": "cards", "pan": vault.pans[0]}) == REFUSED
    assert answer(vault, "checkout", "tokenize", {"pan": pan}) == REFUSED
    with vault.client("billing") as client:
        assert set(bulk(client, "detokenize", vault.tokens, "Strongroom-Purpose: charge\r\n")) == {"!audit_unavailable"}
    with vault.client() as client:
        assert set(bulk(client, "tokenize", [pan])) == {"!audit_unavailable"}


def serves_again(vault, source):
    token = vault.tokens[1]
    wait_until(
        lambda: answer(vault, "billing", "detokenize", {"purpose": "charge", "token": token}) == (200, None), 5,
        "not serving 5 s after the disk was well")
    assert status(vault)["state"] == "open" and status(vault)["reason"] == ""
    assert metric(vault, "strongroom_audit_available") == 1
    with vault.client() as client:
        fresh = client.tokenize_all(vaults.cards(source, 2))
    assert vault.stop() == 0
    log = auditlog.Log(vault.directory / "data" / "audit")
    assert set(fresh) <= set(log.tokens("tokenize"))
    assert log.checkpoints[-1] == len(log.records) and log.records[-1]["op"] in ("stop", "outcome")
    return log


@pytest.mark.parametrize("call, failure", [
    ("fdatasync", "error=EIO"), ("write", "error=EIO"), ("write", "error=ENOSPC"), ("write", "retval=40"),
])
def test_a_log_that_cannot_be_written_stops_reveals_and_writes_until_it_can(started, source, tmp_path, call, failure):
    """Nothing of what was refused is left in the log, and it goes on by itself."""
    faults.require_strace()
    vault = started
    before = len(auditlog.Log(vault.directory / "data" / "audit").records)
    with faults.Attached(vault, tmp_path / "trace", [segment(vault)], [(call, failure, "1+")]) as disk:
        refuses_all(vault, source)
        shown = status(vault)
        assert shown["state"] == "unavailable" and shown["reason"], shown
        assert metric(vault, "strongroom_audit_available") == 0
        assert disk.count > 3
    log = serves_again(vault, source)
    reveals = [record for record in log.of("detokenize") if record["seq"] > before]
    assert [record["tokens"] for record in reveals] == [[vault.tokens[1]]], "a refused reveal is in the log"


def test_a_single_failed_flush_costs_its_own_group_only(started, source, tmp_path):
    faults.require_strace()
    vault = started
    with faults.Attached(vault, tmp_path / "trace", [segment(vault)], [("fdatasync", "error=EIO", "1")]) as disk:
        asked = {"purpose": "charge", "token": vault.tokens[0]}
        assert answer(vault, "billing", "detokenize", asked) == REFUSED
        assert answer(vault, "billing", "detokenize", asked) == (200, None)
        assert disk.count == 1
    log = serves_again(vault, source)
    assert log.tokens("detokenize") == [vault.tokens[0], vault.tokens[1]]


def test_a_log_whose_disk_hangs_refuses_after_the_configured_time_and_withholds_what_comes_late(
        started, source, tmp_path):
    faults.require_strace()
    vault = started
    with faults.Attached(
            vault, tmp_path / "trace", [segment(vault)], [("fdatasync", "delay_enter=6000000", "1")]) as disk:
        began = time.monotonic()
        asked = {"purpose": "charge", "token": vault.tokens[0]}
        assert answer(vault, "billing", "detokenize", asked) == REFUSED
        took = time.monotonic() - began
        assert 1.5 < took < 4.5, f"{took:.1f} s"
        assert status(vault)["stalled_seconds"] > 1
        assert disk.count >= 0
        wait_until(lambda: status(vault)["stalled_seconds"] == 0, 10, "the disk is still not back")
    report = subprocess.run(
        [vaults.BINARIES / "strongroom", "report", "exposure", "--client", "billing", "--format", "json", "--config",
         vault.configuration], check=True, capture_output=True, text=True, timeout=60)
    assert [json.loads(line)["withheld"] for line in report.stdout.splitlines()] == ["yes"]
    log = serves_again(vault, source)
    (withheld,) = log.of("withheld")
    (late,) = [record for record in log.of("detokenize") if record["tokens"] == [vault.tokens[0]]]
    assert (withheld["first"], withheld["last"]) == (late["seq"], late["seq"])


def test_on_a_full_disk_forgetting_goes_on_from_reserved_space(vault, source):
    """Reveals and new cards are refused, deletions are not; with space everything goes on."""
    audit = vault.directory / "data" / "audit"
    for path in audit.iterdir():
        path.unlink()
    audit.rmdir()
    with test_full.small_disk(audit, 2 << 20) as disk:
        vault.start()
        vault.pans = vaults.cards(source, 40)
        with vault.client() as client:
            vault.tokens = client.tokenize_all(vault.pans)
        filler = test_full.fill_disk(disk)
        # The log has room of its own that was taken before.
        with vault.client("billing") as client:
            for tokens in (vault.tokens * 200, vault.tokens, vault.tokens[:1]):
                wait_until(
                    lambda: client.call("detokenize", {"purpose": "charge", "tokens": tokens})[0] == 503, 20,
                    "a full disk does not refuse")
        refuses_all(vault, source)
        for token in vault.tokens[10:]:
            assert answer(vault, "checkout", "forget", {"token": token}) == (200, None)
        refuses_all(vault, source)
        filler.unlink()
        log = serves_again(vault, source)
        assert sorted(log.tokens("forget")) == sorted(vault.tokens[10:])


def test_after_kills_the_log_is_whole_and_has_what_was_acknowledged(started, source):
    """Whatever a client was told is on record, kill by kill."""
    vault = started
    told = []
    for number in range(vaults.knob("STRONGROOM_AUDIT_KILLS", 5)):
        with vault.client("billing") as billing, vault.client() as checkout:
            for _ in range(10 + 7 * number):
                billing.call("detokenize", {"purpose": "charge", "token": vault.tokens[0]})
                told += checkout.tokenize_all(vaults.cards(source, 2))
        vault.kill()
        # As a crash in the middle of a write leaves it.
        if number % 2:
            with open(segment(vault), "ab") as file:
                file.write(b'{"seq":999,"time":"20')
        vault.start()
        log = auditlog.Log(vault.directory / "data" / "audit")
        assert set(told) <= set(log.tokens("tokenize"))
    assert len(log.of("start")) == vaults.knob("STRONGROOM_AUDIT_KILLS", 5) + 1
    assert vault.stop() == 0
