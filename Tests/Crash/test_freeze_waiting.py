"""Cards that wait for their audit records while somebody freezes reveals: they are wiped and not sent."""

import http.client
import json
import socket
import threading
import time

import faults
import pytest
import test_audit_disk
import vault as vaults
from test_audit_disk import bulk, segment, serves_again

#: Microseconds that the flush of the first records takes: less than `audit.timeout`, more than a freeze.
FLUSH = 1_500_000


@pytest.fixture
def started(make_vault, source):
    made = make_vault(extra="audit: {timeout: 5s, checkpoints: {interval: 1d}}\n")
    made.start()
    made.pans = vaults.cards(source, 3)
    with made.client() as client:
        made.tokens = client.tokenize_all(made.pans)
    return made


def order(vault, path):
    """A command on the control socket; its JSON."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(10)
    connection.sock.connect(str(vault.directory / "run" / "control.sock"))
    try:
        connection.request("POST", path, headers={"Content-Length": "0"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


@pytest.mark.parametrize("scope", ["", "?client=billing", "?format=cards"])
@pytest.mark.parametrize("form", ["one", "batch", "lines"])
def test_cards_that_wait_for_their_record_are_not_sent_after_a_freeze(started, source, tmp_path, form, scope):
    faults.require_strace()
    vault = started
    answers = []

    def ask():
        if form == "lines":
            with vault.client("billing") as client:
                answers.append(bulk(client, "detokenize", vault.tokens[:3], "Strongroom-Purpose: charge\r\n"))
        elif form == "batch":
            answers.append(test_audit_disk.answer(
                vault, "billing", "detokenize", {"purpose": "charge", "tokens": vault.tokens[:3]}))
        else:
            answers.append(test_audit_disk.answer(
                vault, "billing", "detokenize", {"purpose": "charge", "token": vault.tokens[0]}))

    with faults.Attached(
            vault, tmp_path / "trace", [segment(vault)], [("fdatasync", f"delay_enter={FLUSH}", "1")]):
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.4)
        assert not answers, "the flush was to take longer"
        frozen = order(vault, f"/v1/freeze{scope}")
        asking.join(10)
        assert not asking.is_alive()
    assert answers == [["!frozen"] * 3 if form == "lines" else (503, "frozen")]
    assert frozen["saved"] is True
    order(vault, f"/v1/unfreeze{scope}")
    log = serves_again(vault, source)
    [withheld] = log.of("withheld")
    [waiting] = [record for record in log.of("detokenize") if record["seq"] <= withheld["last"]]
    assert waiting["seq"] == withheld["first"]
    assert waiting["tokens"] == vault.tokens[: 1 if form == "one" else 3]
