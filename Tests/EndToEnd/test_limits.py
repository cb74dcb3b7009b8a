"""Where, when and how much a client may ask for, and what happens to one that asks for more."""
import datetime
import json
import time

import pytest

import cards
import strongroom

MINUTE = 60


def vault_with(new_vault, *, billing=None, checkout=None, start=True):
    """A vault whose two clients have these further options."""
    values = strongroom.settings()
    values["clients"][0].update(checkout or {})
    values["clients"][1].update(billing or {})
    values["clients"].append(strongroom.client("support", ["inspect"], ["cards"]))
    return new_vault(values, start=start)


def tokens_of(vault, count, prefix="400000"):
    return [result["token"] for result in vault.client("checkout").tokenize_all(cards.make_pans(count, prefix=prefix))]


def unknown_tokens(count, start=0):
    """Tokens by their shape that are none of the vault's, most likely."""
    return [f"99{10**13 + start * 7919 + number * 104729:014d}" for number in range(count)]


def bulk(vault, tokens, name="billing"):
    with vault.connect(name, timeout=60) as connection:
        return connection.exchange(
            "/v1/detokenize", "".join(token + "\n" for token in tokens).encode(), type="text/plain",
            headers=["Strongroom-Purpose: charge"])


def frozen_clients(vault):
    return {freeze["name"]: freeze for freeze in vault.status()["frozen"]["clients"]}


def wait_until(condition, within=10.0):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true")


def test_past_a_soft_limit_a_client_waits_as_long_as_it_is_told(new_vault):
    """429 with Retry-After; nothing before, and everything after that time. The other client is not held up."""
    vault = vault_with(new_vault, billing={"limits": {"reveals_minute": {"soft": 10}}})
    tokens = tokens_of(vault, 11)
    billing = vault.client("billing")
    began = time.time()
    assert billing.detokenize_all(tokens[:10])
    refused = billing.post("/v1/detokenize", {"purpose": "charge", "token": tokens[10]})
    assert refused.outcome == (429, "throttled")
    wait = int(refused.headers["retry-after"])
    assert 50 <= wait <= 60
    assert vault.metrics()['strongroom_client_throttled_total{client="billing"}'] == 1
    assert vault.client("checkout").inspect(tokens[0])
    assert not frozen_clients(vault)
    # It survives a restart.
    vault.restart()
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "charge", "token": tokens[10]}).outcome == (429, "throttled")
    time.sleep(max(0.0, began + MINUTE + 2 - time.time()))
    assert vault.client("billing").detokenize(tokens[10])


def test_past_a_hard_limit_a_client_is_frozen_until_an_operator_unfreezes_it(new_vault):
    """Refused tokens count. Every call of it is refused from then on, over a restart; alarms are everywhere."""
    vault = vault_with(new_vault, billing={"limits": {"reveals_hour": {"soft": 5, "hard": 20}}})
    tokens = tokens_of(vault, 30)
    billing = vault.client("billing")
    outcomes = [billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome for token in tokens[:22]]
    assert outcomes[:5] == [(200, None)] * 5
    assert outcomes[5:20] == [(429, "throttled")] * 15
    assert outcomes[20:] == [(503, "frozen")] * 2
    for path, body in [
        ("/v1/inspect", {"token": tokens[0]}), ("/v1/detokenize", {"purpose": "charge", "tokens": tokens}),
        ("/v1/fingerprint", {"pan": "4111111111111111"}),
    ]:
        assert billing.post(path, body).outcome == (503, "frozen")
    assert bulk(vault, tokens).outcome == (503, "frozen")
    freeze = frozen_clients(vault)["billing"]
    assert freeze["cause"] == "limit" and "reveals_hour" in freeze["reason"] and freeze["by"] == "strongroomd"
    assert vault.log.count("client_frozen") == 1
    metrics = vault.metrics()
    assert metrics['strongroom_frozen{name="billing",scope="client"}'] == 1
    assert metrics["strongroom_client_freezes_total"] == 1
    assert vault.client("checkout").inspect(tokens[0])

    vault.restart()
    assert vault.client("billing").post("/v1/inspect", {"token": tokens[0]}).outcome == (503, "frozen")
    answer = vault.order("/v1/unfreeze?client=billing")
    assert answer["unfrozen"]["cause"] == "limit"
    assert vault.client("billing").detokenize_all(tokens[:5]), "counted anew"
    assert vault.order("/v1/unfreeze?client=billing", expect=409)["code"] == "not_frozen"


def test_a_killed_daemon_has_lost_no_freeze_and_at_most_a_second_of_counters(new_vault):
    """kill -9 after the alarm, and after a second of counting."""
    vault = vault_with(new_vault, billing={"limits": {"reveals_day": {"soft": 50, "hard": 100}}})
    tokens = tokens_of(vault, 60)
    vault.client("billing").detokenize_all(tokens[:50])
    time.sleep(2.5)
    vault.kill()
    vault.start()
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "charge", "tokens": tokens[:50]}).outcome == (429, "throttled")
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "charge", "token": tokens[0]}).outcome == (503, "frozen")
    time.sleep(0.5)
    vault.kill()
    vault.start()
    assert "billing" in frozen_clients(vault)


def test_bulk_lines_within_the_soft_limit_are_answered_and_the_others_throttled(new_vault):
    """The first lines up to the limit; and past the hard one the rest is `!frozen`."""
    vault = vault_with(new_vault, billing={"limits": {"reveals_minute": {"soft": 700, "hard": 4000}}})
    tokens = tokens_of(vault, 1000)
    answer = bulk(vault, tokens)
    assert answer.status == 200
    assert all(line.startswith("400000") for line in answer.lines[:700])
    assert answer.lines[700:] == ["!throttled"] * 300
    assert answer.trailers["strongroom-succeeded"] == "700" and answer.trailers["strongroom-failed"] == "300"
    answer = bulk(vault, tokens * 5)
    assert len(answer.lines) == 5000 and set(answer.lines) == {"!throttled", "!frozen"}
    assert answer.lines[-1] == "!frozen" and answer.lines[0] == "!throttled"
    assert "billing" in frozen_clients(vault)


@pytest.mark.parametrize("operation", ["detokenize", "inspect", "bulk"])
def test_guessing_tokens_freezes_a_client_before_it_is_told_what_it_hit(new_vault, operation):
    """One request full of guesses, one of which is right, tells nothing."""
    vault = vault_with(new_vault, billing={"limits": {"misses_minute": {"soft": 50, "hard": 200}}})
    [token] = tokens_of(vault, 1)
    guesses = unknown_tokens(300)
    guesses[150] = token
    if operation == "bulk":
        assert bulk(vault, guesses).lines == ["!frozen"] * 300
    else:
        body = {"tokens": guesses}
        if operation == "detokenize":
            body["purpose"] = "charge"
        answer = vault.client("billing").post(f"/v1/{operation}", body)
        assert answer.outcome == (503, "frozen")
    assert "misses_minute" in frozen_clients(vault)["billing"]["reason"]


def test_at_the_soft_limit_of_misses_nothing_is_looked_up(new_vault):
    """A right token is throttled like a wrong one, in every call that tells; and who goes on is frozen."""
    vault = vault_with(
        new_vault, billing={"limits": {"misses_minute": {"soft": 10, "hard": 15}}},
        checkout={"limits": {"misses_minute": {"soft": 3}}})
    [token] = tokens_of(vault, 1)
    billing = vault.client("billing")
    answer = billing.post("/v1/inspect", {"tokens": unknown_tokens(10)})
    assert answer.json()["results"] == [{"error": {"code": "not_found"}}] * 10
    for _ in range(5):
        assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (429, "throttled")
    assert billing.post("/v1/inspect", {"token": token}).outcome == (503, "frozen")

    checkout = vault.client("checkout")
    for number in range(3):
        answer = checkout.post("/v1/find", {"format": "cards", "pan": cards.make_pan(number, prefix="455555")})
        assert answer.outcome == (404, "not_found")
    assert checkout.post("/v1/forget", {"token": token}).outcome == (429, "throttled")
    assert checkout.post(
        "/v1/find", {"format": "cards", "pan": cards.make_pan(9, prefix="455555")}).outcome == (429, "throttled")
    assert checkout.tokenize("4111111111111111"), "tokenizing guesses nothing"


def test_forgetting_tokens_that_are_not_there_is_guessing_too(new_vault):
    """The misses of a forget count."""
    vault = vault_with(new_vault, checkout={"limits": {"misses_minute": {"soft": 5}}})
    checkout = vault.client("checkout")
    assert checkout.post("/v1/forget", {"tokens": unknown_tokens(6)}).json() == {"forgotten": 0}
    assert checkout.post("/v1/forget", {"tokens": unknown_tokens(1)}).outcome == (429, "throttled")


def probes(count, bin6="400000", last4=1111):
    """Cards of one bucket: first six and last four digits alike, all with a right check digit."""
    found = []
    for middle in range(1_000_000):
        pan = f"{bin6}{middle:06d}{last4:04d}"
        if cards.passes_luhn(pan):
            found.append(pan)
            if len(found) == count:
                return found
    raise AssertionError("not so many")


@pytest.mark.parametrize("call", ["tokenize", "batch", "bulk", "find", "fingerprint"])
def test_trying_out_the_digits_of_a_card_meets_the_limit_in_every_call_that_takes_cards(new_vault, call):
    """Cards with equal ends; ordinary cards, and the same card again and again, do not count."""
    vault = vault_with(new_vault, checkout={"limits": {"bucket_pans_hour": {"soft": 5, "hard": 12}}})
    checkout = vault.client("checkout")
    ordinary = cards.make_pans(300, prefix="510000")
    assert len(checkout.tokenize_all(ordinary)) == 300
    for _ in range(20):
        checkout.tokenize(ordinary[0])
    tried = probes(14)
    if call == "batch":
        results = checkout.tokenize_all(tried[:10] + ordinary[:5])
        assert ["token" in result for result in results] == [True] * 5 + [False] * 5 + [True] * 5
        assert results[5] == {"error": {"code": "throttled"}}
        assert checkout.post("/v1/tokenize", {"cards": [{"pan": pan} for pan in tried]}).outcome == (503, "frozen")
    elif call == "bulk":
        def lines(pans):
            with vault.connect("checkout", timeout=60) as connection:
                return connection.exchange(
                    "/v1/tokenize", "".join(pan + "\n" for pan in pans).encode(), type="text/plain").lines
        answer = lines(tried[:7] + ordinary[:2])
        assert answer[5:7] == ["!throttled"] * 2 and not any(line.startswith("!") for line in answer[:5] + answer[7:])
        assert lines(tried) == ["!frozen"] * 14
    else:
        body = {"tokenize": lambda pan: {"pan": pan}, "find": lambda pan: {"format": "cards", "pan": pan},
                "fingerprint": lambda pan: {"pan": pan}}[call]
        answers = [checkout.post(f"/v1/{call}", body(pan)) for pan in tried]
        first = (404, "not_found") if call == "find" else (200, None)
        assert [answer.outcome for answer in answers] == [first] * 5 + [(429, "throttled")] * 7 + [(503, "frozen")] * 2
        assert 3400 <= int(answers[5].headers["retry-after"]) <= 3600
    assert "bucket_pans_hour" in frozen_clients(vault)["checkout"]["reason"]


def test_a_bucket_that_is_being_tried_out_survives_a_restart(new_vault):
    """Otherwise a crash would give the prober a new start."""
    vault = vault_with(new_vault, checkout={"limits": {"bucket_pans_hour": {"soft": 5}}})
    tried = probes(7)
    for pan in tried[:5]:
        vault.client("checkout").tokenize(pan)
    vault.restart()
    assert vault.client("checkout").post("/v1/tokenize", {"pan": tried[5]}).outcome == (429, "throttled")
    assert vault.client("checkout").tokenize("4111111111111111")


def test_no_card_number_is_in_the_file_that_keeps_counters(new_vault):
    """Keyed hashes only, in any spelling."""
    vault = vault_with(new_vault, checkout={"limits": {"bucket_pans_hour": {"soft": 5}}})
    tried = probes(5)
    for pan in tried:
        vault.client("checkout").tokenize(pan)
    vault.restart()
    stored = (vault.data / "guard").read_bytes()
    for pan in tried:
        assert pan.encode() not in stored
        assert int(pan).to_bytes(8, "big") not in stored and int(pan).to_bytes(8, "little") not in stored
    assert (vault.data / "guard").stat().st_mode & 0o777 == 0o600


def test_a_client_has_a_batch_size_of_its_own(new_vault):
    """Larger JSON batches are too large; bulk has no batches."""
    vault = vault_with(new_vault, billing={"batch": 10}, checkout={"batch": 2})
    tokens = [vault.client("checkout").tokenize(pan) for pan in cards.make_pans(11)]
    billing = vault.client("billing")
    assert len(billing.detokenize_all(tokens[:10])) == 10
    assert billing.post("/v1/detokenize", {"purpose": "charge", "tokens": tokens}).outcome == (413, "too_large")
    assert billing.post("/v1/inspect", {"tokens": tokens}).outcome == (413, "too_large")
    assert len(bulk(vault, tokens).lines) == 11
    cards_of = [{"pan": pan} for pan in cards.make_pans(3)]
    assert vault.client("checkout").post("/v1/tokenize", {"cards": cards_of}).outcome == (413, "too_large")
    assert vault.client("checkout").post("/v1/forget", {"tokens": tokens[:3]}).outcome == (413, "too_large")


def test_a_client_may_call_from_its_addresses_only(new_vault):
    """Loopback but not the socket, the socket but not loopback; elsewhere every call is denied, and nothing is told."""
    vault = vault_with(
        new_vault, billing={"addresses": ["unix", "10.0.0.0/8"]}, checkout={"addresses": ["127.0.0.0/8"]})
    token = vault.client("checkout").tokenize("4111111111111111")
    assert vault.client("checkout", unix=True).post(
        "/v1/tokenize", {"pan": "4111111111111111"}).outcome == (403, "denied")
    assert vault.client("billing", unix=True).detokenize(token)
    billing = vault.client("billing")
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (403, "denied")
    assert bulk(vault, [token]).outcome == (403, "denied")
    # A reload holds for connections that are open.
    vault.values["clients"][1]["addresses"] = ["127.0.0.1"]
    vault.write_config()
    assert vault.reload()
    assert billing.detokenize(token)
    assert vault.client("billing", unix=True).post(
        "/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (403, "denied")


def hours(begin, end):
    now = datetime.datetime.now(datetime.timezone.utc)
    return "-".join((now + datetime.timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (begin, end))


def test_a_client_may_call_in_its_hours_only_and_a_stream_ends_with_them(new_vault):
    """UTC. A stream that began within them has the rest of its lines denied."""
    vault = vault_with(new_vault, billing={"hours": [hours(-60, 60)]})
    token = vault.client("checkout").tokenize("4111111111111111")
    billing = vault.client("billing")
    assert billing.detokenize(token)
    vault.values["clients"][1]["hours"] = [hours(60, 120), hours(-120, -60)]
    vault.write_config()
    assert vault.reload()
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (403, "denied")
    vault.values["clients"][1]["hours"] = None
    vault.write_config()
    assert vault.reload()

    with vault.connect("billing", timeout=60) as connection:
        connection.send(
            b"POST /v1/detokenize HTTP/1.1\r\nHost: v\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
            b"Strongroom-Purpose: charge\r\n\r\n")
        line = token.encode() + b"\n"
        chunk = b"%x\r\n%b\r\n" % (len(line), line)
        connection.send(chunk)
        seen = connection.receive()
        deadline = time.monotonic() + 10
        while b"4111111111111111\n" not in seen and time.monotonic() < deadline:
            seen += connection.receive()
        assert b"4111111111111111\n" in seen
        vault.values["clients"][1]["hours"] = [hours(60, 120)]
        vault.write_config()
        assert vault.reload()
        connection.send(chunk + b"0\r\n\r\n")
        rest = b""
        while not rest.endswith(b"\r\n\r\n") and time.monotonic() < deadline + 10:
            rest += connection.receive()
        assert b"!denied\n" in rest and b"4111" not in rest


def test_reload_changes_limits_and_keeps_what_was_counted(new_vault):
    """A lower limit holds at once for what was asked before."""
    vault = vault_with(new_vault, billing={"limits": {"reveals_day": {"soft": 100}}})
    tokens = tokens_of(vault, 20)
    vault.client("billing").detokenize_all(tokens)
    vault.values["clients"][1]["limits"] = {"reveals_day": {"soft": 20}}
    vault.write_config()
    assert vault.reload()
    assert vault.client("billing").post(
        "/v1/detokenize", {"purpose": "charge", "token": tokens[0]}).outcome == (429, "throttled")
    [client] = [entry for entry in json.loads(vault.control("/v1/clients")[1]) if entry["name"] == "billing"]
    assert client["limits"]["reveals_day"] == {"used": 21, "soft": 20, "hard": None}
    assert vault.metrics()['strongroom_client_limit_used{client="billing",limit="reveals_day"}'] == 21
    assert vault.metrics()['strongroom_client_limit{client="billing",limit="reveals_day",step="soft"}'] == 20
