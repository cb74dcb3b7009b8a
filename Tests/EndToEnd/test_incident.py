"""The story of docs/INCIDENT_RESPONSE.md, played with its own commands: a stolen billing key, from the first reveal to the
proof that the log is whole."""
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import time

import pytest

import cards
import strongroom
from authority import Authority
from test_limits import bulk, frozen_clients, wait_until

ANNA, BEN = strongroom.OPERATORS
PANS = cards.make_pans(60, prefix="411111")


def run(vault, *arguments, code=0):
    done = subprocess.run(
        [strongroom.COMMAND, *map(str, arguments), "--config", vault.config], capture_output=True, text=True,
        timeout=120)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def is_serving(vault):
    try:
        return vault.operations("/livez")[0] == 200
    except OSError:
        return False


def spki_hash(certificate):
    """As the document has it."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout, check=True, capture_output=True)
    return hashlib.sha256(der.stdout).hexdigest()


@pytest.fixture
def shop(new_vault, tmp_path):
    """A vault in business: cards on file, a witness on another mount, hard limits, two operators and root."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: the story needs operators who are other Unix users")
    witness = tmp_path / "witness"
    values = strongroom.settings(
        control={"group": "nogroup"}, dual_control=["unfreeze"],
        operators=[
            strongroom.operator("root", 0), strongroom.operator("anna", ANNA, ["incident_responder"]),
            strongroom.operator("ben", BEN, ["incident_responder"])],
        audit={"checkpoints": {"interval": "1s", "records": 20, "file": str(witness)}})
    values["tls"]["crl"] = "certs/ca.crl"
    values["clients"][1]["limits"] = {"reveals_hour": {"soft": 40, "hard": 60}}
    vault = new_vault(values, start=False, initialize=False)
    vault.authority = Authority(vault.directory / "certs")
    vault.authority.list()
    # The right job and the thief have different keys under the same name.
    vault.authority.leaf("stolen", "DNS:billing.internal")
    vault.initialize()
    vault.directory.chmod(0o755)
    vault.start()
    (vault.directory / "run").chmod(0o755)
    vault.witness = witness
    vault.tokens = [
        vault.client("checkout").tokenize(pan, subject=f"person-{number}") for number, pan in enumerate(PANS)]
    return vault


def test_a_stolen_billing_key_from_the_first_reveal_to_the_proof(shop):
    vault = shop
    honest = vault.client("billing").detokenize(vault.tokens[59])
    assert honest == PANS[59]
    began = time.time()
    time.sleep(1.1)

    # 1. It stops by itself: throttled past the soft limit, frozen past the hard one.
    answers = bulk(vault, vault.tokens[:50], "stolen").lines
    seen = [token for token, line in zip(vault.tokens, answers) if not line.startswith("!")]
    assert 30 <= len(seen) <= 40 and set(answers[len(seen):]) == {"!throttled"}
    assert [PANS[vault.tokens.index(token)] for token in seen] == answers[: len(seen)]
    for _ in range(5):
        bulk(vault, vault.tokens[:50], "stolen")
    assert vault.client("stolen").post("/v1/detokenize", {"purpose": "charge", "token": vault.tokens[0]}).outcome == (
        503, "frozen")
    assert "billing" in frozen_clients(vault)
    assert any(name.startswith("strongroom_") and "frozen" in name and value for name, value in vault.metrics().items())
    assert "client_frozen" in vault.log
    # Shops go on selling.
    assert vault.client("checkout").tokenize(PANS[0], subject="person-0") == vault.tokens[0]

    # 2. Who has to be told.
    thief = spki_hash(vault.directory / "certs" / "stolen.crt")
    report = run(vault, "report", "exposure", "--certificate", thief, "--since", f"@{int(began)}", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(report)))
    assert sorted(row["token"] for row in rows) == sorted(seen)
    assert {row["purpose"] for row in rows} == {"charge"} and {row["client"] for row in rows} == {"billing"}
    assert {row["subject"] for row in rows} == {f"person-{vault.tokens.index(token)}" for token in seen}
    everything = run(vault, "report", "exposure", "--client", "billing", "--since", "1h", "--format", "json")
    listed = [json.loads(line)["token"] for line in everything.splitlines()]
    assert sorted(listed) == sorted([*seen, vault.tokens[59]])

    # 3. The key is locked out for good, within a second, also where it is connected.
    with vault.connect("stolen") as connection:
        assert connection.exchange("/v1/inspect", {"token": vault.tokens[0]}).status == 503
        vault.authority.revoke("stolen")
        vault.authority.list()
        revoked = time.monotonic()
        run(vault, "certs", "reload")
        assert connection.receive() == b"", "a revoked client is still connected"
        assert time.monotonic() - revoked < 3
    with pytest.raises((OSError, Exception)):
        vault.new_client("stolen").detokenize(vault.tokens[0])

    # 4. New keys, while it serves.
    run(vault, "keys", "rotate", "all", "--wait", "--yes")
    assert vault.versions("data") == {1: "destroyed", 2: "active"} and vault.versions("audit") == {
        1: "retiring", 2: "active"}

    # 5. The log is whole, against the witness; a copy of it that is not, is not.
    wait_until(lambda: "sound" in run(vault, "audit", "verify", "--witness", vault.witness))
    copy = vault.directory / "copy"
    shutil.copytree(vault.data / "audit", copy)
    run(vault, "audit", "verify", "--witness", vault.witness)
    segment = next(copy.glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    place = next(index for index, line in enumerate(lines) if seen[0].encode() in line and b"detokenize" in line)
    segment.write_bytes(b"".join(lines[:place] + lines[place + 1:]))
    forged = subprocess.run(
        [strongroom.COMMAND, "audit", "verify", "--offline", copy, "--witness", vault.witness], capture_output=True,
        text=True)
    assert forged.returncode == 65 and f"line {place + 1}" in forged.stdout + forged.stderr

    # 6. The job goes on, once a second person agrees.
    pending = vault.order("/v1/unfreeze?client=billing", user=ANNA, expect=202)["pending"]
    vault._forget_clients()
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "charge", "token": vault.tokens[59]}).outcome == (503, "frozen")
    vault.order(f"/v1/approve?id={pending['id']}", user=BEN)
    assert vault.client("billing").detokenize(vault.tokens[59]) == PANS[59]

    # Who did all this is on record too.
    shown = [json.loads(line) for line in run(vault, "audit", "show", "--json").splitlines()]
    done = {record["op"] for record in shown}
    assert {"client_frozen", "denied", "certs_reload", "key_rotate", "key_destroy", "audit_key", "unfreeze"} <= done
    (lifted,) = [record for record in shown if record["op"] == "unfreeze"]
    assert "anna" in lifted["operator"] and "ben" in lifted["approved_by"]
    text = json.dumps(shown)
    assert not any(pan in text for pan in PANS)


def test_a_log_that_was_cut_short_stops_the_vault_until_an_operator_says_so(new_vault):
    """Nothing is revealed and nothing stored; the break stays on record; the rest verifies."""
    values = strongroom.settings(audit={"checkpoints": {"interval": "1s"}})
    vault = new_vault(values)
    tokens = [vault.client("checkout").tokenize(pan) for pan in PANS[:5]]
    vault.stop()
    segment = next((vault.data / "audit").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-4]))
    vault.launch()
    wait_until(lambda: is_serving(vault))
    assert vault.operations("/readyz") == (503, "audit_broken\n")
    assert vault.status()["audit"]["state"] == "broken"
    assert "audit_broken" in vault.log
    asked = {"purpose": "charge", "token": tokens[0]}
    assert vault.client("billing").post("/v1/detokenize", asked).outcome == (503, "audit_unavailable")
    assert vault.client("checkout").post("/v1/tokenize", {"pan": PANS[6]}).outcome == (503, "audit_unavailable")
    run(vault, "audit", "verify", code=65)
    run(vault, "audit", "adopt", "--reason", "volume lost at 03:12, ticket 4711")
    assert vault.client("billing").detokenize(tokens[0]) == PANS[0]
    shown = [json.loads(line) for line in run(vault, "audit", "show", "--json", "--operation", "chain_break").splitlines()]
    assert [record["reason"] for record in shown] == ["volume lost at 03:12, ticket 4711"]
    assert shown[0]["known"] == len(lines) and shown[0]["found"] == len(lines) - 4
    vault.restart()
    assert vault.status()["audit"]["state"] == "open"
    assert vault.client("billing").detokenize(tokens[1]) == PANS[1]
    assert vault.control("/v1/audit/adopt?reason=again", "POST")[0] == 409
