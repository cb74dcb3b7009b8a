"""Stopping reveals: at once, everywhere, and over every kind of trouble."""
import json
import os
import subprocess
import threading
import time

import pytest

import cards
import strongroom

PAN = "4111111111111111"
ANNA, BEN = strongroom.OPERATORS


@pytest.fixture
def stocked(new_vault):
    values = strongroom.settings(formats={"cards": {"keep": "last4"}, "other": {"keep": "none"}})
    values["clients"] = [
        strongroom.client("checkout", ["tokenize", "inspect", "forget", "find"], ["cards", "other"]),
        strongroom.client("billing", ["detokenize", "inspect"], ["cards", "other"], ["charge"]),
        strongroom.client("partner", ["detokenize"], ["cards"], ["charge"]),
    ]
    made = new_vault(values)
    made.token = made.client("checkout").tokenize(PAN)
    made.other = made.client("checkout").tokenize(PAN, format="other")
    return made


def reveal(vault, token, name="billing"):
    return vault.client(name).post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome


def reveal_lines(vault, tokens, name="billing"):
    with vault.connect(name, timeout=60) as connection:
        answer = connection.exchange(
            "/v1/detokenize", "".join(token + "\n" for token in tokens).encode(), type="text/plain",
            headers=["Strongroom-Purpose: charge"])
        return answer.lines if answer.status == 200 else answer.outcome


def records(vault, operation):
    found = []
    for segment in sorted((vault.data / "audit").glob("*.jsonl")):
        found += [json.loads(line) for line in segment.read_text().splitlines()]
    return [record for record in found if record["op"] == operation]


def test_all_reveals_can_be_frozen_and_nothing_else_is(stocked):
    """Tokenize, inspect, find and forget go on. It holds over a restart and a kill; misses look frozen too."""
    vault = stocked
    answer = vault.order("/v1/freeze?reason=a%20theft")
    assert answer["frozen"]["scope"] == "all" and answer["frozen"]["reason"] == "a theft"
    assert answer["already"] is False and answer["saved"] is True and answer["recorded"] is True
    for again in range(3):
        assert reveal(vault, vault.token) == (503, "frozen")
        assert reveal(vault, vault.token, "partner") == (503, "frozen")
        assert reveal(vault, "9912345678901230") == (503, "frozen")
        assert reveal_lines(vault, [vault.token, "x"]) == ["!frozen", "!frozen"]
        checkout = vault.client("checkout")
        assert checkout.tokenize(PAN) == vault.token and checkout.inspect(vault.token)["last4"] == "1111"
        assert checkout.post("/v1/find", {"format": "cards", "pan": PAN}).status == 200
        assert vault.status()["frozen"]["all"]["reason"] == "a theft"
        if again == 0:
            vault.restart()
        elif again == 1:
            vault.kill()
            vault.start()
    assert vault.metrics()['strongroom_frozen{name="",scope="all"}'] == 1
    again = vault.order("/v1/freeze?reason=another")
    assert again["already"] is True and again["frozen"]["reason"] == "a theft"
    assert vault.order("/v1/unfreeze")["unfrozen"]["scope"] == "all"
    assert reveal(vault, vault.token) == (200, None)
    assert reveal_lines(vault, [vault.token]) == [PAN]
    assert vault.order("/v1/unfreeze", expect=409)["code"] == "not_frozen"
    [frozen, *_], [unfrozen] = records(vault, "freeze"), records(vault, "unfreeze")
    assert frozen["scope"] == "all reveals" and frozen["reason"] == "a theft" and frozen["operator"]
    assert unfrozen["outcome"] == "ok"


def test_a_frozen_client_gets_nothing_and_the_others_everything(stocked):
    """Every call, JSON and bulk, also one whose body is under way."""
    vault = stocked
    with vault.connect("billing") as connection:
        body = json.dumps({"purpose": "charge", "token": vault.token}).encode()
        connection.send(
            b"POST /v1/detokenize HTTP/1.1\r\nHost: v\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body))
        connection.send(body[:5])
        time.sleep(0.2)
        vault.order("/v1/freeze?client=billing")
        connection.send(body[5:])
        assert connection.answer().outcome == (503, "frozen")
    assert vault.client("billing").post("/v1/inspect", {"token": vault.token}).outcome == (503, "frozen")
    assert reveal_lines(vault, [vault.token]) == (503, "frozen")
    assert reveal(vault, vault.token, "partner") == (200, None)
    [client] = [entry for entry in json.loads(vault.control("/v1/clients")[1]) if entry["name"] == "billing"]
    assert client["frozen"]["cause"] == "command"
    # It is a freeze of the name: another configuration of it changes nothing.
    vault.values["clients"][1]["purposes"] = ["charge", "refund"]
    vault.write_config()
    assert vault.reload()
    assert reveal(vault, vault.token) == (503, "frozen")
    vault.order("/v1/unfreeze?client=billing")
    assert reveal(vault, vault.token) == (200, None)


def test_a_frozen_format_is_not_revealed_and_its_misses_stay_misses(stocked):
    """Alone, in a batch and in a stream, only where the token would have been revealed."""
    vault = stocked
    vault.order("/v1/freeze?format=cards")
    assert reveal(vault, vault.token) == (503, "frozen")
    assert reveal(vault, vault.other) == (200, None)
    never = "9912345678901230"
    answer = vault.client("billing").detokenize_all([vault.token, vault.other, never])
    assert [result.get("pan") or result["error"]["code"] for result in answer] == ["frozen", PAN, "not_found"]
    assert reveal_lines(vault, [vault.token, vault.other, never]) == ["!frozen", PAN, "!not_found"]
    checkout = vault.client("checkout")
    assert checkout.tokenize(PAN) == vault.token and checkout.inspect(vault.token)["last4"] == "1111"
    assert reveal(vault, vault.other, "partner") == (404, "not_found")
    [record] = [entry for entry in records(vault, "detokenize") if entry.get("frozen") and entry["asked"] == 3][:1]
    assert record["frozen"] == [vault.token] and record["tokens"] == [vault.other] and record["missed"] == 1
    assert checkout.forget(vault.token) == 1
    vault.restart()
    again = vault.client("checkout").tokenize(PAN)
    assert reveal(vault, again) == (503, "frozen")
    vault.order("/v1/unfreeze?format=cards")
    assert reveal(vault, again) == (200, None)


@pytest.mark.parametrize("scope", ["", "?client=billing", "?format=cards"])
def test_after_the_command_was_answered_nothing_more_is_revealed_on_any_connection(stocked, scope):
    """Streams and batches under way on many connections: what is sent after the answer has no card."""
    vault = stocked
    tokens = [result["token"] for result in vault.client("checkout").tokenize_all(cards.make_pans(1000))]
    began = threading.Barrier(9)
    lines = "".join(token + "\n" for token in tokens).encode()
    frozen_at = []
    failures = []

    def stream():
        try:
            with vault.connect("billing", timeout=60) as connection:
                connection.send(
                    b"POST /v1/detokenize HTTP/1.1\r\nHost: v\r\nContent-Type: text/plain\r\n"
                    b"Transfer-Encoding: chunked\r\nStrongroom-Purpose: charge\r\n\r\n")
                chunk = b"%x\r\n%b\r\n" % (len(lines), lines)
                seen = 0
                waited = False
                answered = b""
                while True:
                    connection.send(chunk)
                    seen += 1000
                    while answered.count(b"\n40000") + answered.count(b"\n!frozen") < 1000:
                        answered += connection.receive()
                    # Sent and received wholly after the answer to the freeze: no card.
                    if waited and b"\n40000" in answered:
                        failures.append("a card after the freeze")
                        return
                    if waited:
                        return
                    answered = b""
                    if seen == 3000:
                        began.wait(30)
                    waited = bool(frozen_at)
        except Exception as error:  # noqa: told below
            failures.append(repr(error))

    def batches():
        try:
            client = vault.new_client("billing")
            count = 0
            while True:
                waited = bool(frozen_at)
                answer = client.post("/v1/detokenize", {"purpose": "charge", "tokens": tokens[:200]})
                if waited:
                    if b'"pan"' in answer.body:
                        failures.append("a batch after the freeze")
                    return
                count += 1
                if count == 5:
                    began.wait(30)
        except Exception as error:  # noqa: told below
            failures.append(repr(error))

    threads = [threading.Thread(target=target) for target in [stream] * 4 + [batches] * 4]
    for thread in threads:
        thread.start()
    began.wait(60)
    vault.order(f"/v1/freeze{scope}")
    frozen_at.append(time.monotonic())
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []


def test_a_stream_under_way_ends_its_lines_frozen(stocked):
    """It is not cut off: each line has its answer, and the trailers count them."""
    vault = stocked
    with vault.connect("billing", timeout=60) as connection:
        connection.send(
            b"POST /v1/detokenize HTTP/1.1\r\nHost: v\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
            b"Strongroom-Purpose: charge\r\n\r\n")
        line = vault.token.encode() + b"\n"
        chunk = b"%x\r\n%b\r\n" % (len(line), line)
        connection.send(chunk)
        seen = b""
        while PAN.encode() not in seen:
            seen += connection.receive()
        vault.order("/v1/freeze?client=billing")
        connection.send(chunk * 3 + b"0\r\n\r\n")
        while not seen.endswith(b"\r\n\r\n") or b"Strongroom-Failed" not in seen:
            seen += connection.receive()
    assert seen.count(b"!frozen\n") == 3 and seen.count(PAN.encode()) == 1
    assert b"Strongroom-Succeeded: 1\r\nStrongroom-Failed: 3" in seen


def test_freezing_works_while_sealed_and_holds_after_the_unsealing(stocked):
    """And so does unfreezing; the records come when the log has its keys again."""
    vault = stocked
    vault.order("/v1/seal")
    answer = vault.order("/v1/freeze?client=billing&reason=sealed")
    assert answer["saved"] is True and answer["recorded"] is False
    vault.order("/v1/freeze?format=other")
    vault.order("/v1/unfreeze?format=other")
    vault.order("/v1/unseal")
    assert reveal(vault, vault.token) == (503, "frozen")
    assert reveal(vault, vault.token, "partner") == (200, None)
    assert [record["scope"] for record in records(vault, "freeze")] == ["client billing", "format other"]
    assert [record["scope"] for record in records(vault, "unfreeze")] == ["format other"]


def test_a_name_that_does_not_exist_is_refused(stocked):
    """A slip of the pen must not pass for a freeze."""
    vault = stocked
    assert vault.order("/v1/freeze?client=biling", expect=404)["code"] == "no_such_client"
    assert vault.order("/v1/freeze?format=card", expect=404)["code"] == "no_such_format"
    assert vault.order("/v1/freeze?client=billing&format=cards", expect=422)["code"] == "malformed"
    assert vault.order("/v1/freeze?reason=" + "x" * 201, expect=422)["code"] == "malformed"
    assert vault.order("/v1/freeze?reason=a%0Ab", expect=422)["code"] == "malformed"
    assert vault.order("/v1/freeze?client=BILLING", expect=422)["code"] == "malformed"
    assert vault.status()["frozen"] == {"all": None, "clients": [], "formats": [], "saved": True}


def test_a_damaged_file_freezes_everything_until_an_operator_has_looked(stocked):
    """Fail closed: what was frozen is not known. One damaged copy changes nothing."""
    vault = stocked
    vault.order("/v1/freeze?client=billing")
    assert vault.stop() == 0
    path = vault.data / "guard"
    whole = path.read_bytes()
    half = len(whole) // 2
    for copy in (0, half):
        damaged = bytearray(whole)
        damaged[copy + 60] ^= 1
        path.write_bytes(damaged)
        vault.start()
        assert vault.status()["frozen"]["all"] is None
        assert reveal(vault, vault.token) == (503, "frozen")
        assert reveal(vault, vault.token, "partner") == (200, None)
        assert vault.stop() == 0
    damaged = bytearray(whole)
    damaged[60] ^= 1
    damaged[half + 60] ^= 1
    path.write_bytes(damaged)
    vault.start()
    assert vault.status()["frozen"]["all"]["cause"] == "damage"
    assert reveal(vault, vault.token, "partner") == (503, "frozen")
    assert "guard_damaged" in vault.log
    vault.restart()
    assert reveal(vault, vault.token, "partner") == (503, "frozen")
    vault.order("/v1/unfreeze")
    assert reveal(vault, vault.token, "partner") == (200, None)


def test_unfreezing_can_need_a_second_person(new_vault):
    """`dual_control: [unfreeze]`; freezing never does."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: approvals by other Unix users are NOT tested")
    vault = new_vault(
        strongroom.settings(
            dual_control=["unfreeze"], control={"group": "nogroup"},
            operators=[
                strongroom.operator("root", 0), strongroom.operator("anna", ANNA),
                strongroom.operator("ben", BEN, ["incident_responder"])]), start=False)
    vault.directory.chmod(0o755)
    vault.start()
    (vault.directory / "run").chmod(0o755)
    token = vault.client("checkout").tokenize(PAN)
    vault.order("/v1/freeze?client=billing", user=ANNA)
    assert vault.order("/v1/unfreeze", user=ANNA, expect=409)["code"] == "not_frozen"
    request = vault.order("/v1/unfreeze?client=billing", user=ANNA, expect=202)["pending"]
    assert request["description"] == "unfreeze client billing"
    assert reveal(vault, token) == (503, "frozen")
    assert vault.order(f"/v1/approve?id={request['id']}", user=ANNA, expect=403)["code"] == "own_request"
    assert vault.order(f"/v1/approve?id={request['id']}", user=BEN)["unfrozen"]["name"] == "billing"
    assert reveal(vault, token) == (200, None)
    [record] = records(vault, "unfreeze")
    assert record["operator"] == f"anna ({ANNA})" and record["approved_by"] == f"ben ({BEN})"


def command(vault, *arguments):
    return subprocess.run(
        [strongroom.COMMAND, *arguments, "--config", vault.config], capture_output=True, text=True, timeout=60)


def test_the_command_line_freezes_shows_and_unfreezes(stocked):
    """What people see, with --json for machines, and exit codes."""
    vault = stocked
    done = command(vault, "freeze", "--client", "billing", "--reason", "stolen key, ticket 7")
    assert done.returncode == 0 and "client billing is frozen" in done.stdout and done.stderr == ""
    done = command(vault, "freeze", "--client", "billing")
    assert done.returncode == 0 and "already" in done.stdout and "stolen key, ticket 7" in done.stdout
    done = command(vault, "freeze", "--format", "other", "--json")
    assert json.loads(done.stdout)["frozen"]["name"] == "other"
    shown = command(vault, "status").stdout
    assert "client billing is frozen" in shown and "stolen key, ticket 7" in shown and "format other is frozen" in shown
    listed = command(vault, "clients", "list").stdout
    assert "client billing is frozen" in listed
    done = command(vault, "unfreeze", "--client", "billing")
    assert done.returncode == 0 and "no longer frozen" in done.stdout
    assert command(vault, "unfreeze", "--client", "billing").returncode == 65
    assert command(vault, "freeze", "--client", "nobody").returncode == 65
    assert command(vault, "freeze", "--client", "a", "--format", "b").returncode == 64
    assert command(vault, "unfreeze", "--format", "other", "--json").returncode == 0
    done = command(vault, "freeze")
    assert done.returncode == 0 and "all reveals are frozen" in done.stdout


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB in memory."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: a full disk is NOT tested here")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("!!! no mount here: a full disk is NOT tested here")
    yield place
    for _ in range(50):
        if subprocess.run(["umount", place], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)


def test_freezing_works_on_a_full_disk_and_lasts(new_vault, small_disk):
    """The file is overwritten in place: no byte of free space is needed."""
    values = strongroom.settings()
    values["data"] = str(small_disk / "data")
    values["store"] = {"map_size": "8MiB"}
    vault = new_vault(values)
    token = vault.client("checkout").tokenize(PAN)
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                pass
    assert os.statvfs(small_disk).f_bavail == 0
    answer = vault.order("/v1/freeze?client=billing")
    assert answer["saved"] is True
    assert reveal(vault, token) == (503, "frozen")
    vault.kill()
    (small_disk / "filler").unlink()
    vault.start()
    assert reveal(vault, token) == (503, "frozen")
