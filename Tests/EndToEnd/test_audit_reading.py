"""`strongroom audit` and `strongroom report`: a log that is verified, read and proved, with its daemon and without."""
import base64
import csv
import hashlib
import io
import json
import shutil
import subprocess
import time

import pytest

import cards
import strongroom

CARDS = cards.make_pans(12)


def run(*arguments, vault=None, input=None, code=0):
    """A command; what it printed on standard output. The exit code must be `code`."""
    place = ["--config", vault.config] if vault else []
    done = subprocess.run(
        [strongroom.COMMAND, *arguments, *place], input=input, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def records(vault, *arguments, **options):
    return [json.loads(line) for line in run("audit", "show", "--json", *arguments, vault=vault, **options).splitlines()]


@pytest.fixture
def busy(new_vault):
    """A vault with some history."""
    values = strongroom.settings()
    values["audit"] = {"checkpoints": {"records": 5, "interval": "1s"}}
    vault = new_vault(values)
    checkout, billing = vault.client("checkout"), vault.client("billing")
    vault.tokens = [checkout.tokenize(pan, subject=f"person-{index % 3}") for index, pan in enumerate(CARDS)]
    vault.revealed = vault.tokens[:7]
    for token in vault.revealed[:4]:
        billing.detokenize(token)
    billing.detokenize_all(vault.revealed[4:] + ["999999999999"], purpose="refund")
    wait_for_checkpoint(vault, 15)
    return vault


def wait_for_checkpoint(vault, size):
    deadline = time.monotonic() + 20
    while True:
        status, answer = vault.control("/v1/audit/checkpoint")
        if status == 200 and json.loads(answer)["size"] >= size:
            return json.loads(answer)
        assert time.monotonic() < deadline, (status, answer)
        time.sleep(0.1)


def test_the_daemon_and_a_copy_without_it_find_the_log_sound(busy, tmp_path):
    report = json.loads(run("audit", "verify", "--json", vault=busy))
    assert report["sound"] and report["authenticated"] == report["records"] >= 17 and report["first"] == 1
    keys = run("audit", "key", vault=busy).split()
    witness = tmp_path / "witness"
    witness.write_text(run("audit", "checkpoint", vault=busy))
    assert "sound" in run("audit", "verify", "--witness", str(witness), vault=busy)
    copy = tmp_path / "audit"
    shutil.copytree(busy.data / "audit", copy)
    report = json.loads(run("audit", "verify", "--json", "--offline", str(copy), "--key", keys[0], "--witness",
                            str(witness)))
    assert report["sound"] and report["witnesses"] == 1 and report["authenticated"] == 0
    assert run("audit", "verify", "--since", "1h", vault=busy)


def test_what_was_done_to_a_copy_is_named(busy, tmp_path):
    keys = run("audit", "key", vault=busy).split()
    checkpoint = wait_for_checkpoint(busy, 15)
    witness = tmp_path / "witness"
    witness.write_text(checkpoint["note"] + "\n")
    copy = tmp_path / "audit"
    shutil.copytree(busy.data / "audit", copy)
    segment = sorted(copy.glob("*.jsonl"))[0]
    lines = segment.read_bytes().splitlines(keepends=True)

    def finding(code=65):
        report = json.loads(run("audit", "verify", "--json", "--offline", str(copy), "--key", keys[0], "--witness",
                                str(witness), code=code))
        return report["finding"]

    assert finding(0) is None
    for change, kind, line in (
            (lambda all: all[:6] + all[7:], "gap", 7),
            (lambda all: all[:6] + [all[7], all[6]] + all[8:], "gap", 7),
            (lambda all: all[:6] + [all[5]] + all[6:], "order", 7),
            (lambda all: all[:6] + [all[6].replace(b'"op":"', b'"op":"x')] + all[7:], "root", None),
            (lambda all: all[:9], "truncated", None),
            (lambda all: all[:-1] + [all[-1][:-9]], "torn", len(lines))):
        segment.write_bytes(b"".join(change(lines)))
        found = finding()
        assert found["kind"] == kind and (line is None or found["line"] == line), found
    segment.write_bytes(b"".join(lines))
    assert finding(0) is None
    text = run("audit", "verify", "--offline", str(tmp_path), code=65)
    assert text.startswith("empty: ")


def test_a_damaged_log_of_a_running_daemon_is_named_with_its_record(busy):
    segment = sorted((busy.data / "audit").glob("*.jsonl"))[0]
    content = segment.read_bytes()
    lines = content.splitlines(keepends=True)
    changed = lines[8].replace(b'"op":"tokenize"', b'"op":"detokeni"')
    assert changed != lines[8] and len(changed) == len(lines[8])
    with segment.open("r+b") as file:
        file.seek(sum(map(len, lines[:8])))
        file.write(changed)
    found = json.loads(run("audit", "verify", "--json", vault=busy, code=65))["finding"]
    assert found["kind"] == "mac" and found["record"] == 9 and found["line"] == 9 and found["file"] == segment.name
    with segment.open("r+b") as file:
        file.write(content)
    run("audit", "verify", vault=busy)


def test_records_are_filtered_and_nothing_of_a_card_is_in_them(busy):
    every = records(busy)
    assert [record["seq"] for record in every] == list(range(1, len(every) + 1))
    assert {record["op"] for record in records(busy, "--operation", "detokenize,tokenize")} == {"detokenize", "tokenize"}
    reveals = records(busy, "--client", "billing", "--operation", "detokenize")
    assert len(reveals) == 5 and [record["purpose"] for record in reveals] == ["charge"] * 4 + ["refund"]
    assert records(busy, "--purpose", "refund") == reveals[4:]
    assert reveals[4]["tokens"] == busy.revealed[4:] and reveals[4]["missed"] == 1
    named = records(busy, "--token", "--client", "billing", input=busy.revealed[5] + "\n")
    assert named == reveals[4:]
    # Person 0 has the first, fourth, seventh... card.
    owned = records(busy, "--subject", "person-0", "--operation", "detokenize")
    assert owned == [reveals[0], reveals[3], reveals[4]]
    # To read the log is on the log.
    assert records(busy, "--until", "@1") == [] and records(busy, "--since", "1h")[:len(every)] == every
    assert records(busy, "--operation", "command")[-1]["command"] == "audit_records"
    text = run("audit", "show", "--client", "billing", vault=busy)
    assert len(text.splitlines()) == 5 and "detokenize" in text
    events = run("audit", "export", "--format", "cef", "--client", "billing", vault=busy).splitlines()
    assert len(events) == 5 and all(event.startswith("CEF:0|Strongroom|strongroomd|") for event in events)
    raw = run("audit", "export", vault=busy)
    assert not any(pan in raw for pan in CARDS) and "999999999999" not in raw
    run("audit", "show", "--operation", "dance", vault=busy, code=65)
    run("audit", "show", "--since", "yesterday", vault=busy, code=64)


def test_a_proof_leads_from_a_record_to_the_signed_root(busy):
    proof = json.loads(run("audit", "prove", "--record", "9", "--json", vault=busy))
    lines = b"".join(path.read_bytes() for path in sorted((busy.data / "audit").glob("*.jsonl"))).split(b"\n")
    assert proof["line"].encode() == lines[8] and proof["size"] % 1 == 0
    # RFC 9162, section 2.1.3.2, written a second time.
    node, last = proof["index"], proof["size"] - 1
    value = hashlib.sha256(b"\0" + lines[8]).digest()
    for hash in map(bytes.fromhex, proof["proof"]):
        if node & 1 or node == last:
            value = hashlib.sha256(b"\1" + hash + value).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = hashlib.sha256(b"\1" + value + hash).digest()
        node, last = node >> 1, last >> 1
    assert last == 0 and value.hex() == proof["root"]
    assert base64.b64encode(value).decode() == proof["checkpoint"].split("\n")[2]
    grown = json.loads(run("audit", "prove", "--from", "5", "--json", vault=busy))
    assert grown["root"] == proof["root"] and grown["from"] == 5
    run("audit", "prove", "--record", "999999", vault=busy, code=65)


def test_the_exposure_report_lists_every_card_that_a_client_saw(busy):
    rows = list(csv.DictReader(io.StringIO(run("report", "exposure", "--client", "billing", vault=busy))))
    assert [row["token"] for row in rows] == busy.revealed
    assert [row["subject"] for row in rows] == [f"person-{index % 3}" for index in range(7)]
    assert [row["purpose"] for row in rows] == ["charge"] * 4 + ["refund"] * 3
    assert {row["client"] for row in rows} == {"billing"} and all(row["time"].endswith("Z") for row in rows)
    certificate = rows[0]["certificate"]
    as_json = [json.loads(line) for line in run(
        "report", "exposure", "--certificate", certificate, "--format", "json", vault=busy).splitlines()]
    assert [row["token"] for row in as_json] == busy.revealed
    assert run("report", "exposure", "--client", "nobody", vault=busy).count("\n") == 1
    # A forgotten token stays in the report; whose it was is gone.
    busy.client("checkout").forget(busy.revealed[0])
    rows = list(csv.DictReader(io.StringIO(run("report", "exposure", "--client", "billing", vault=busy))))
    assert rows[0]["token"] == busy.revealed[0] and rows[0]["subject"] == ""
    run("report", "exposure", vault=busy, code=64)


def test_the_access_report_says_who_may_do_what_and_did(busy):
    report = json.loads(run("report", "access", "--json", vault=busy))
    callers = {client["name"]: client for client in report["clients"]}
    assert callers["billing"]["uses"]["detokenize"]["count"] == 5 and callers["billing"]["last_used"]
    assert "detokenize" in callers["billing"]["allow"] and callers["billing"]["certificates"]
    assert callers["checkout"]["uses"]["tokenize"]["count"] == 12
    text = run("report", "access", vault=busy)
    assert "billing" in text and "detokenize 5" in text


def test_the_access_report_has_operators_with_their_rights_and_certificates_with_their_ends(new_vault):
    """Named people and those who are named no more; who has to show a code and has not enrolled."""
    values = strongroom.settings(operators=[
        strongroom.operator("root", 0), strongroom.operator("cleo", strongroom.OPERATORS[0], ["auditor"], mfa="totp")])
    vault = new_vault(values)
    vault.client("checkout").tokenize(CARDS[0])
    vault.order("/v1/keys", "GET")
    report = json.loads(run("report", "access", "--json", vault=vault))
    people = {person["name"]: person for person in report["operators"]}
    cleo = people[f"cleo ({strongroom.OPERATORS[0]})"]
    assert cleo["allow"] == ["auditor"] and "audit_verify" in cleo["commands"] and "keys_rotate" not in cleo["commands"]
    assert (cleo["second_factor"], cleo["enrolled"], cleo["last_used"]) == ("totp", False, None)
    assert people["root (0)"]["uses"]["keys"]["count"] == 1 and people["root (0)"]["configured"]
    checkout = {client["name"]: client for client in report["clients"]}["checkout"]
    assert checkout["seen"]["not_after"] > time.time()
    text = run("report", "access", vault=vault)
    assert "totp, not enrolled" in text and "not seen" in text and "CERTIFICATE UNTIL" in text
    vault.values["operators"] = [strongroom.operator("root", 0, ["auditor", "administrator"])]
    vault.write_config()
    assert vault.reload()
    report = json.loads(run("report", "access", "--json", vault=vault))
    assert [(person["name"], person["allow"]) for person in report["operators"]] == [
        ("root (0)", ["auditor", "administrator"])]
