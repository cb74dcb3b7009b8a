"""Honey tokens: they look real, reveal nothing, answer as a miss, and raise the alarm."""
import json
import subprocess

import pytest

import cards
import strongroom

PAN = "4111111111111111"
MISSING = "9912345678901230"
PURPOSE = {"Strongroom-Purpose": "charge"}


@pytest.fixture
def trapped(new_vault):
    """Of each test's own: a client that touches a trap may be shut out for good."""
    return new_vault()


def make(vault, count=1, **arguments):
    query = "&".join(f"{name}={value}" for name, value in {"count": count, **arguments}.items())
    return vault.order(f"/v1/honey/add?{query}")["tokens"]


def command(vault, *arguments):
    return subprocess.run([strongroom.COMMAND, *arguments, "--config", vault.config], capture_output=True, text=True)


def alarms(vault):
    return vault.metrics()["strongroom_honey_touched_total"]


def on_record(vault, *operations):
    """The audit records of these operations, oldest first."""
    lines = [line for file in sorted((vault.data / "audit").glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [record for record in map(json.loads, lines) if record["op"] in operations]


def detokenize(vault, *tokens, name="billing"):
    body = {"purpose": "charge"} | ({"tokens": tokens} if len(tokens) > 1 else {"token": tokens[0]})
    return vault.client(name).post("/v1/detokenize", body)


def test_a_reveal_answers_as_a_miss_and_raises_the_alarm(trapped):
    """The same bytes as for a token that never was; log, metric and status tell, and none of them the token."""
    [honey] = make(trapped)
    missing = detokenize(trapped, MISSING)
    assert alarms(trapped) == 0 and "honey_token" not in trapped.log
    answer = detokenize(trapped, honey)
    assert (answer.status, answer.body) == (missing.status, missing.body)
    assert alarms(trapped) == 1
    line = next(line for line in trapped.log.splitlines() if "honey_token" in line)
    assert 'client="billing"' in line and "<2>" in line
    assert honey not in trapped.log
    told = trapped.status()["honey"]
    assert told["tokens"] == 1 and told["touched"] == 1 and told["last_client"] == "billing" and told["last_touched"] > 0
    assert "asked for since start, last by billing" in command(trapped, "status").stdout
    assert trapped.metrics()["strongroom_cards_revealed_total"] == 0
    made, missed, touched, reveal = on_record(trapped, "honey_add", "honey", "detokenize")
    assert made["op"] == "honey_add" and made["tokens"] == [honey] and made["format"] == "cards" and made["operator"]
    assert missed["op"] == "detokenize" and missed["missed"] == 1 and "honey" not in missed
    assert touched["op"] == "honey" and touched["client"] == "billing" and touched["tokens"] == [honey]
    assert reveal["op"] == "detokenize" and reveal["honey"] == [honey] and reveal["tokens"] == []


def test_they_look_like_any_token(trapped):
    """Same shape, same members of inspect, a brand that is about; find never comes to one."""
    real = trapped.client("checkout").tokenized(PAN, expiry="2029-01")["token"]
    shown = trapped.client("billing").inspect(real)
    tokens = make(trapped, 50)
    assert len(set(tokens)) == 50
    brands = set()
    for token in tokens:
        assert len(token) in (15, 16) and token.startswith("99") and not cards.passes_luhn(token)
        looks = trapped.client("billing").inspect(token)
        assert looks.keys() == shown.keys() and looks["format"] == "cards" and looks["last4"] == token[-4:]
        assert looks["expiry"] > "2026-01"
        brands.add(looks["brand"])
    assert "unknown" not in brands and len(brands) > 2
    assert alarms(trapped) == 0, "looking is no reveal"


@pytest.mark.parametrize("count", [3, 2_500])
def test_a_batch_with_one_in_it_shows_no_card_at_all(trapped, count):
    """Whether it lies before the cards or far behind them; what is no card says why, as ever."""
    real = trapped.client("checkout").tokenize_all([PAN] * 3)
    reals = [item["token"] for item in real] * (count // 3)
    [honey] = make(trapped)
    answer = detokenize(trapped, *reals, "12", MISSING, honey)
    assert answer.status in (200, 503)
    assert PAN.encode() not in answer.body
    if answer.status == 200:
        codes = [item["error"]["code"] for item in answer.json()["results"]]
        assert codes == ["frozen"] * len(reals) + ["invalid_token", "not_found", "not_found"]
    assert alarms(trapped) == 1
    assert trapped.metrics()["strongroom_cards_revealed_total"] == 0
    [reveal] = on_record(trapped, "detokenize")
    assert reveal["tokens"] == [] and reveal["honey"] == [honey] and len(reveal["frozen"]) == len(reals)


def test_a_stream_shows_no_card_from_that_slice_on(trapped):
    """Slices before it have left already; the one with the trap and all behind it hold no card."""
    token = trapped.client("checkout").tokenize(PAN)
    [honey] = make(trapped)
    lines = [token] * 1_024 + [token] * 100 + [honey] + [token] * 3_000
    answer = trapped.client("billing").post("/v1/detokenize", "\n".join(lines) + "\n", type="text/plain", headers=PURPOSE)
    got = answer.body.decode().splitlines()
    first = got.index("!frozen")
    assert first % 1_024 == 0 or first <= 1_124, "whole slices"
    assert set(got[:first]) <= {PAN}
    assert PAN not in got[first:] and set(got[first:]) == {"!frozen", "!not_found"}
    assert got.count("!not_found") == 1
    assert alarms(trapped) == 1


def test_a_client_of_another_format_and_any_purpose_springs_it_too(new_vault):
    """Nobody was given it, so no right makes it right."""
    vault = new_vault(strongroom.settings(
        formats={"cards": {"keep": "last4", "purposes": ["charge"]}, "other": {"keep": "none"}},
        clients=[strongroom.client("checkout", ["tokenize", "forget"], ["cards"]),
                 strongroom.client("billing", ["detokenize"], ["other"], ["refund"])]))
    [honey] = make(vault, format="cards")
    answer = vault.client("billing").post("/v1/detokenize", {"purpose": "refund", "token": honey})
    assert answer.outcome == (404, "not_found")
    assert alarms(vault) == 1


def test_they_survive_restart_and_rotation_and_are_verified_and_forgotten_like_any(trapped):
    """Both keys turned over and the old ones destroyed."""
    tokens = make(trapped, 5)
    real = trapped.client("checkout").tokenize(PAN)
    trapped.restart()
    trapped.rotate("all")
    assert command(trapped, "verify").returncode == 0
    listed = trapped.order("/v1/honey", "GET")
    assert {item["token"] for item in listed["honey"]} == set(tokens) and listed["complete"]
    assert trapped.metrics()["strongroom_honey_tokens"] == 5
    assert trapped.client("checkout").post("/v1/forget", {"tokens": tokens[:2]}).json() == {"forgotten": 2}
    assert trapped.metrics()["strongroom_honey_tokens"] == 3
    assert command(trapped, "verify").returncode == 0
    assert detokenize(trapped, real).json() == {"pan": PAN}
    assert detokenize(trapped, tokens[0]).outcome == (404, "not_found") and alarms(trapped) == 0, "forgotten is a miss"
    assert detokenize(trapped, tokens[4]).outcome == (404, "not_found") and alarms(trapped) == 1


def test_the_command_line_makes_and_lists_them(trapped):
    """One a line for files, JSON for machines, a table for people."""
    made = command(trapped, "honey", "add", "--count", "3")
    assert made.returncode == 0 and made.stderr == ""
    tokens = made.stdout.split()
    assert len(tokens) == 3
    document = json.loads(command(trapped, "honey", "add", "--format", "cards", "--json").stdout)
    assert document["format"] == "cards" and len(document["tokens"]) == 1
    listed = command(trapped, "honey", "list").stdout
    assert all(token in listed for token in tokens) and "asked for" not in listed
    assert len(json.loads(command(trapped, "honey", "list", "--json").stdout)["honey"]) == 4
    assert command(trapped, "honey", "add", "--count", "1001").returncode == 64
    wrong = command(trapped, "honey", "add", "--format", "nonsense")
    assert wrong.returncode != 0 and "format" in wrong.stderr
    detokenize(trapped, tokens[0])
    assert "last by billing" in command(trapped, "honey", "list").stdout


@pytest.mark.parametrize("query", [
    "count=0", "count=1001", "count=x", "count=-1", "format=none", "count=1&count=2", "token=1"])
def test_nonsense_is_refused(trapped, query):
    """And makes none."""
    assert trapped.control(f"/v1/honey/add?{query}", "POST")[0] in (404, 422)
    assert trapped.order("/v1/honey", "GET")["honey"] == []
