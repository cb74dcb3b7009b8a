"""What is on the audit log, when it is there, and what it costs in flushes."""
import hashlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

import cards
import strongroom
from test_limits import bulk, wait_until

PANS = cards.make_pans(40, prefix="420000")


def records(vault):
    """Every record, from the files."""
    lines = b"".join(path.read_bytes() for path in sorted((vault.data / "audit").glob("*.jsonl")))
    return [json.loads(line) for line in lines.splitlines()]


def last(vault, operation):
    return [record for record in records(vault) if record["op"] == operation][-1]


def command(vault, *arguments, code=0):
    done = subprocess.run(
        [strongroom.COMMAND, *map(str, arguments), "--config", vault.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def vault():
    with strongroom.Vault(strongroom.settings()) as made:
        made.tokens = [result["token"] for result in made.client("checkout").tokenize_all(PANS)]
        yield made


def spki(vault, name):
    der = subprocess.run(
        f"openssl x509 -in {vault.directory}/certs/{name}.crt -noout -pubkey | openssl pkey -pubin -outform DER",
        shell=True, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def test_each_call_is_one_record_of_who_what_why_and_with_what_outcome(vault):
    checkout, billing = vault.client("checkout"), vault.client("billing", unix=True)
    token = vault.tokens[0]
    billing.detokenize(token, purpose="refund")
    record = last(vault, "detokenize")
    assert {name: record[name] for name in ("client", "peer", "purpose", "outcome", "asked", "tokens", "keys")} == {
        "client": "billing", "peer": "unix", "purpose": "refund", "outcome": "ok", "asked": 1, "tokens": [token],
        "keys": [1]}
    assert record["certificate"] == spki(vault, "billing")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"]) and len(record["boot"]) == 36
    billing.detokenize_all([token, "999999999999", vault.tokens[1]])
    record = last(vault, "detokenize")
    assert (record["outcome"], record["asked"], record["missed"]) == ("partial", 3, 1)
    assert record["tokens"] == [token, vault.tokens[1]]
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": "999999999999"}).outcome == (404, "not_found")
    record = last(vault, "detokenize")
    assert (record["outcome"], record["missed"], record["tokens"]) == ("denied", 1, [])

    checkout.inspect(token)
    assert last(vault, "inspect")["tokens"] == [token] and last(vault, "inspect")["peer"] == "127.0.0.1"
    assert checkout.post("/v1/find", {"format": "cards", "pan": PANS[2]}).status == 200
    assert last(vault, "find")["tokens"] == [vault.tokens[2]]
    assert checkout.post("/v1/find", {"format": "cards", "pan": "4111111111111111"}).status == 404
    assert last(vault, "find")["missed"] == 1
    checkout.post("/v1/fingerprint", {"pan": PANS[3]})
    assert last(vault, "fingerprint")["index_key"] == 1
    made = checkout.tokenize("4242424242424242")
    record = last(vault, "tokenize")
    assert (record["outcome"], record["tokens"], record["client"]) == ("intent", [made], "checkout")
    checkout.forget(made)
    record = last(vault, "forget")
    assert record["tokens"] == [made] and record["outcome"] == "intent"
    wait_until(lambda: last(vault, "outcome")["last"] >= record["seq"])
    assert last(vault, "outcome")["outcome"] == "durable"


def test_each_refusal_is_a_record_too(vault):
    assert vault.client("billing").post("/v1/tokenize", {"pan": PANS[0]}).outcome == (403, "denied")
    record = last(vault, "denied")
    assert (record["client"], record["call"], record["code"], record["outcome"]) == (
        "billing", "tokenize", "denied", "denied")
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "marketing", "token": vault.tokens[0]}).outcome == (403, "purpose_denied")
    assert last(vault, "denied")["code"] == "purpose_denied"
    assert vault.client("stranger").post("/v1/inspect", {"token": vault.tokens[0]}).status == 401
    record = last(vault, "unknown_client")
    assert "client" not in record and record["certificate"] == spki(vault, "stranger") and record["serial"]
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, AttributeError)):
        with vault.connect(None, timeout=5) as connection:
            connection.exchange("/v1/inspect", {"token": vault.tokens[0]})
    wait_until(lambda: any(record["op"] == "handshake_failed" for record in records(vault)))
    assert last(vault, "handshake_failed")["count"] >= 1


def test_the_record_is_in_the_file_when_the_answer_is_here(vault):
    """One by one, in batches, and for each chunk of a stream that has come back."""
    billing = vault.client("billing")
    for token in vault.tokens[:10]:
        billing.detokenize(token)
        assert last(vault, "detokenize")["tokens"] == [token]
    with vault.connect("billing", timeout=30) as stream:
        stream.send(
            b"POST /v1/detokenize HTTP/1.1\r\nHost: v\r\nContent-Type: text/plain\r\nStrongroom-Purpose: charge\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, 40, 8):
            lines = "".join(token + "\n" for token in vault.tokens[start : start + 8]).encode()
            stream.send(b"%x\r\n%b\r\n" % (len(lines), lines))
            if start == 0:
                assert stream.reader.head()[0] == 200
                chunks = stream.reader.chunks()
            assert next(chunks).decode().split() == PANS[start : start + 8]
            assert last(vault, "detokenize")["tokens"] == vault.tokens[start : start + 8]


def test_a_long_stream_is_one_record_for_each_bounded_chunk(vault):
    before = len([record for record in records(vault) if record["op"] == "detokenize"])
    answer = bulk(vault, vault.tokens * 250)
    assert answer.lines == PANS * 250
    made = [record for record in records(vault) if record["op"] == "detokenize"][before:]
    assert sum(record["asked"] for record in made) == 10_000
    assert max(record["asked"] for record in made) <= 1024 and len(made) < 100
    assert [token for record in made for token in record["tokens"]] == vault.tokens * 250


def test_an_outcome_is_of_its_own_writes_whatever_shared_the_flush(vault):
    """Reveals and writes at once, in the same groups: no outcome speaks of a reveal, and every write has one."""
    def write(number):
        client = vault.new_client("checkout")
        for pan in cards.make_pans(30, prefix=f"43{number:02d}00"):
            client.tokenize(pan)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    reveal_at_once(vault, 8, 60)
    for writer in writers:
        writer.join()
    wait_until(lambda: open_intents(vault) == [])
    by_number = {record["seq"]: record for record in records(vault)}
    for record in by_number.values():
        if record["op"] == "outcome":
            closed = [by_number[number] for number in range(record["first"], record["last"] + 1)]
            assert {one["op"] for one in closed} <= {"tokenize", "forget"}


def open_intents(vault):
    found = records(vault)
    closed = {number for record in found if record["op"] == "outcome"
              for number in range(record["first"], record["last"] + 1)}
    return [record["seq"] for record in found
            if record["op"] in ("tokenize", "forget") and record["outcome"] == "intent" and record["seq"] not in closed]


def flushes(vault):
    return vault.metrics()["strongroom_audit_flushes_total"]


def reveal_at_once(vault, clients, each):
    def work():
        with vault.connect("billing", timeout=30) as connection:
            for _ in range(each):
                assert connection.exchange("/v1/detokenize", {"purpose": "charge", "token": vault.tokens[0]}).status == 200

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_requests_at_the_same_time_share_flushes_and_one_alone_waits_for_its_own(vault):
    before = flushes(vault)
    reveal_at_once(vault, 1, 20)
    assert 20 <= flushes(vault) - before <= 24
    before = flushes(vault)
    reveal_at_once(vault, 16, 20)
    assert flushes(vault) - before < 300, "320 records, a flush for each"


def test_at_intervals_answers_wait_for_no_flush_and_the_log_is_whole_all_the_same(new_vault):
    vault = new_vault(strongroom.settings(audit={"durability": "interval", "interval": "1s"}))
    vault.tokens = [vault.client("checkout").tokenize(pan) for pan in PANS[:3]]
    before = flushes(vault)
    reveal_at_once(vault, 2, 100)
    assert flushes(vault) - before <= 10
    vault.kill()
    vault.start()
    assert len([record for record in records(vault) if record["op"] == "detokenize"]) == 200
    assert "sound" in command(vault, "audit", "verify")


def test_segments_turn_over_and_a_start_reads_the_last_one(new_vault):
    vault = new_vault(strongroom.settings(audit={"segment_size": "64KiB", "checkpoints": {"records": 50}}))
    vault.tokens = [result["token"] for result in vault.client("checkout").tokenize_all(PANS)]
    for _ in range(4):
        bulk(vault, vault.tokens * 100)
        vault.restart()
    segments = sorted((vault.data / "audit").glob("*.jsonl"))
    assert len(segments) > 4
    assert [int(path.stem) for path in segments] == [
        json.loads(path.read_bytes().splitlines()[0])["seq"] for path in segments]
    report = json.loads(command(vault, "audit", "verify", "--json"))
    assert report["sound"] and report["records"] == len(records(vault)) == report["authenticated"]


def test_another_audit_key_takes_over_and_who_noted_the_old_one_still_verifies(new_vault, tmp_path):
    vault = new_vault(strongroom.settings(audit={"checkpoints": {"interval": "1s"}}))
    vault.client("checkout").tokenize(PANS[0])
    (noted,) = command(vault, "audit", "key").split()
    command(vault, "keys", "rotate", "audit", "--wait")
    assert vault.versions("audit") == {1: "retiring", 2: "active"}
    token = vault.client("checkout").tokenize(PANS[1])
    assert {record["chain"] for record in records(vault)} == {1, 2}
    announced = last(vault, "audit_key")
    assert announced["chain"] == 1 and announced["public"] == command(vault, "audit", "key").split()[1]
    # The old key is needed for as long as its segment is there.
    assert "version_in_use" in vault.control("/v1/keys/destroy?purpose=audit&version=1", "POST")[1].decode()
    vault.restart()
    assert vault.client("billing").detokenize(token) == PANS[1]
    vault.stop()
    copy = tmp_path / "copy"
    shutil.copytree(vault.data / "audit", copy)
    done = subprocess.run(
        [strongroom.COMMAND, "audit", "verify", "--offline", copy, "--key", noted], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkpoints_reach_a_syslog_socket_and_one_that_is_not_there_is_told(new_vault, tmp_path):
    path = tmp_path / "log"
    vault = new_vault(strongroom.settings(audit={"checkpoints": {"interval": "1s", "syslog": str(path)}}))
    vault.client("checkout").tokenize(PANS[0])
    wait_until(lambda: vault.status()["audit"]["destinations"].get("syslog", "") != "")
    assert vault.metrics()["strongroom_audit_checkpoint_failures_total"] >= 1
    assert "checkpoint_not_delivered" in vault.log
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(20)
        vault.client("checkout").tokenize(PANS[1])
        text = receiver.recv(65_536).decode()
        assert text.startswith("<109>strongroom: audit_checkpoint strongroom.") and "\n" not in text
        wait_until(lambda: vault.status()["audit"]["destinations"]["syslog"] == "")
    note = text.split("audit_checkpoint ")[1].replace("\\n", "\n")
    witness = tmp_path / "witness"
    witness.write_text(note + "\n")
    assert "sound" in command(vault, "audit", "verify", "--witness", witness)
