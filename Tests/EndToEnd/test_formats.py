"""Tokens as formats make them: every setting, seen from outside."""
import calendar
import time

import pytest

import cards
import strongroom
import wire

PAN = "4111111111111111"

FORMATS = {
    "cards": {"keep": "last4"},
    "bin6": {"keep": "bin6+last4"},
    "bin8": {"keep": "bin8+last4"},
    "opaque": {"keep": "none"},
    "valid": {"keep": "last4", "luhn": "valid"},
    "either": {"keep": "last4", "luhn": "any"},
    "bin8any": {"keep": "bin8+last4", "luhn": "any", "reuse": "never"},
    "lead7": {"keep": "none", "lead": "7"},
    "lead123456": {"keep": "last4", "lead": "123456"},
    "fresh": {"reuse": "never"},
    "hour": {"ttl": "1h"},
    "refunds": {"purposes": ["refund"]},
    "loose": {"accept_luhn_invalid": True},
}


@pytest.fixture(scope="module")
def vault():
    names = list(FORMATS)
    operations = ["tokenize", "inspect", "forget", "find", "fingerprint"]
    values = strongroom.settings(
        formats=FORMATS,
        clients=[
            strongroom.client("checkout", operations, names),
            strongroom.client("billing", ["detokenize", "inspect"], names, ["charge", "refund"]),
        ])
    with strongroom.Vault(values) as made:
        yield made
        assert made.stop() == 0, made.log[-4000:]


@pytest.fixture
def checkout(vault):
    return vault.client("checkout")


@pytest.fixture
def billing(vault):
    return vault.client("billing")


def seconds(timestamp):
    """Unix seconds of an RFC 3339 time as the vault writes them."""
    return calendar.timegm(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ"))


#: format, kept leading digits, kept trailing digits, lead, Luhn of the tokens (None: either), shortest length allowed.
SHAPES = [
    ("cards", 0, 4, "99", False, 12),
    ("bin6", 6, 4, "", False, 15),
    ("bin8", 8, 4, "", False, 17),
    ("opaque", 0, 0, "99", False, 12),
    ("valid", 0, 4, "99", True, 12),
    ("either", 0, 4, "99", None, 12),
    ("bin8any", 8, 4, "", None, 16),
    ("lead7", 0, 0, "7", False, 12),
    ("lead123456", 0, 4, "123456", False, 15),
]


@pytest.mark.parametrize("name,leading,trailing,lead,luhn,shortest", SHAPES, ids=[shape[0] for shape in SHAPES])
def test_tokens_have_the_shape_of_their_format_at_every_length(
    checkout, billing, name, leading, trailing, lead, luhn, shortest
):
    """Length, kept digits, lead, Luhn rule, first digit and way back for 12 to 19 digits; too small buckets refuse."""
    for length in range(12, 20):
        pans = [cards.random_pan(length) for _ in range(20)]
        results = checkout.tokenize_all(pans, format=name)
        if length < shortest:
            assert results == [{"error": {"code": "invalid_pan"}}] * 20, length
            continue
        tokens = [result["token"] for result in results]
        for pan, token in zip(pans, tokens):
            assert len(token) == length and token.isascii() and token.isdigit() and token[0] != "0"
            assert token[:leading] == pan[:leading] and token[len(token) - trailing :] == pan[len(pan) - trailing :]
            assert token.startswith(lead) and token != pan
            assert luhn is None or cards.passes_luhn(token) == luhn
        assert [result["pan"] for result in billing.detokenize_all(tokens)] == pans


def test_a_refused_length_is_named_with_its_arithmetic(vault):
    """The operator reads in log and status why bin8+last4 takes no 16-digit card: 10^4 combinations, 9,000 tokens."""
    notes = {entry["name"]: entry["notes"] for entry in vault.status()["formats"]}
    assert any("16-digit" in note and "9000" in note and "10000" in note for note in notes["bin8"]), notes["bin8"]
    assert notes["cards"] == []
    assert "format_note" in vault.log
    capacities = {entry["name"]: entry["bucket_capacity"] for entry in vault.status()["formats"]}
    assert capacities["cards"]["16"] == 9 * 10**9
    assert capacities["bin8any"]["16"] == 10_000 and "15" not in capacities["bin8any"]
    metrics = vault.metrics()
    assert metrics['strongroom_format_bucket_capacity{format="bin6",length="16"}'] == 900_000


def test_a_full_bucket_is_an_error_and_the_last_free_token_is_found(vault, billing):
    """A bucket of 10,000 tokens gives all but the card's own number, then `bucket_full`; every token is the card's."""
    lines = (PAN + "\n").encode() * 10_010
    with vault.connect("checkout", timeout=120) as connection:
        answer = connection.exchange("/v1/tokenize", lines, type="text/plain", headers=["Strongroom-Format: bin8any"])
    tokens, failures = answer.lines[:9_999], answer.lines[9_999:]
    assert set(failures) == {"!bucket_full"} and len(failures) == 11
    assert len(set(tokens)) == 9_999 and PAN not in tokens
    assert all(token[:8] == PAN[:8] and token[-4:] == PAN[-4:] for token in tokens)
    assert {result["pan"] for result in billing.detokenize_all(tokens)} == {PAN}
    with vault.connect("checkout") as connection:
        answer = connection.exchange("/v1/tokenize", {"format": "bin8any", "pan": PAN})
    assert answer.outcome == (507, "bucket_full")
    assert vault.metrics()["strongroom_bucket_full_total"] >= 12


def test_a_freed_token_can_be_drawn_again(vault, checkout):
    """Forgetting one token of a full bucket makes room for one."""
    pan = cards.make_pan(1, prefix="51000000")
    lines = (pan + "\n").encode() * 9_999
    with vault.connect("checkout", timeout=120) as connection:
        tokens = connection.exchange(
            "/v1/tokenize", lines, type="text/plain", headers=["Strongroom-Format: bin8any"]).lines
    assert not any(token.startswith("!") for token in tokens)
    assert checkout.forget(tokens[5000]) == 1
    assert checkout.tokenize(pan, format="bin8any") == tokens[5000]


def test_the_same_card_gets_the_same_token_in_each_format_and_another_in_the_next(checkout):
    """`reuse: always` is per format."""
    pan = cards.random_pan()
    tokens = {name: checkout.tokenize(pan, format=name) for name in ("cards", "opaque", "valid", "hour")}
    assert len(set(tokens.values())) == 4
    assert tokens == {name: checkout.tokenize(pan, format=name) for name in tokens}


def test_subjects_keep_their_tokens_apart(checkout, billing):
    """Same card, two people: two tokens; no subject is a third."""
    pan = cards.random_pan()
    alice, bob, nobody = (
        checkout.tokenize(pan, subject="alice"), checkout.tokenize(pan, subject="bob"), checkout.tokenize(pan))
    assert len({alice, bob, nobody}) == 3
    assert checkout.tokenize(pan, subject="alice") == alice
    assert {billing.detokenize(token) for token in (alice, bob, nobody)} == {pan}


def test_under_reuse_never_each_request_makes_a_token_and_a_request_id_repeats_one(checkout, billing):
    """A retry with the id of the first request gets the first token; the id on another card is refused."""
    pan, other = cards.random_pan(), cards.random_pan()
    assert checkout.tokenize(pan, format="fresh") != checkout.tokenize(pan, format="fresh")
    first = checkout.tokenize(pan, format="fresh", request_id="order-17")
    assert checkout.tokenize(pan, format="fresh", request_id="order-17") == first
    assert checkout.tokenize(pan, format="fresh", request_id="order-18") != first
    refused = checkout.post("/v1/tokenize", {"format": "fresh", "pan": other, "request_id": "order-17"})
    assert refused.outcome == (400, "malformed")
    assert billing.detokenize(first) == pan


def test_a_request_id_is_remembered_over_a_restart(vault):
    """The retry after a crash of the vault is the case request ids are for."""
    pan = cards.random_pan()
    first = vault.client("checkout").tokenize(pan, format="fresh", request_id="before-the-crash")
    vault.kill()
    vault.start()
    assert vault.client("checkout").tokenize(pan, format="fresh", request_id="before-the-crash") == first


def test_the_ttl_of_a_request_is_kept_below_that_of_the_format(checkout):
    """Format: one hour. No ttl and a day give one hour, a minute gives a minute."""
    def life(**fields):
        answer = checkout.tokenized(cards.random_pan(), **fields)
        return seconds(answer["expires_at"]) - time.time()

    assert 3590 < life(format="hour") <= 3601
    assert 3590 < life(format="hour", ttl=86_400) <= 3601
    assert 50 < life(format="hour", ttl=60) <= 61
    assert 86_390 < life(format="cards", ttl=86_400) <= 86_401
    assert "expires_at" not in checkout.tokenized(cards.random_pan())


def test_an_expired_token_is_not_found_and_its_card_gets_a_new_one(checkout, billing):
    """After its second is over a token is 404 for reveal, inspect, find and forget, like one that never was."""
    pan = cards.random_pan()
    token = checkout.tokenize(pan, ttl=1)
    assert billing.detokenize(token) == pan
    time.sleep(2.1)
    gone = checkout.post("/v1/inspect", {"token": token})
    never = checkout.post("/v1/inspect", {"token": "9900000000000000"})
    assert gone.outcome == never.outcome == (404, "not_found") and gone.body == never.body
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (404, "not_found")
    assert checkout.post("/v1/find", {"format": "cards", "pan": pan}).outcome == (404, "not_found")
    assert billing.detokenize_all([token]) == [{"error": {"code": "not_found"}}]
    fresh = checkout.tokenize(pan)
    assert fresh != token
    assert billing.detokenize(fresh) == pan


def test_tokenizing_again_updates_expiry_ttl_and_purposes(checkout, billing):
    """The token stays, what is said anew changes, what is not said stays."""
    pan = cards.random_pan()
    first = checkout.tokenized(pan, expiry="2028-05")
    token = first["token"]
    assert first["expiry"] == "2028-05"
    again = checkout.tokenized(pan, purposes=["charge"])
    assert again["token"] == token and again["expiry"] == "2028-05"
    assert checkout.inspect(token)["purposes"] == ["charge"]
    assert billing.post("/v1/detokenize", {"purpose": "refund", "token": token}).outcome == (403, "purpose_denied")
    assert billing.detokenize(token) == pan
    third = checkout.tokenized(pan, expiry="2031-12", ttl=1000)
    assert third["token"] == token and third["expiry"] == "2031-12" and "expires_at" in third
    assert checkout.inspect(token)["purposes"] == ["charge"] and checkout.inspect(token)["expiry"] == "2031-12"
    checkout.tokenize(pan, purposes=["refund", "charge"])
    assert sorted(checkout.inspect(token)["purposes"]) == ["charge", "refund"]
    assert billing.detokenize(token, purpose="refund") == pan


def test_the_purposes_of_a_format_bind_its_tokens(checkout, billing):
    """A format for refunds is no good for charging, whatever the client may do elsewhere, nor may a request widen
    it.
    """
    token = checkout.tokenize(PAN, format="refunds")
    assert billing.detokenize(token, purpose="refund") == PAN
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (403, "purpose_denied")
    assert billing.detokenize_all([token], purpose="charge") == [{"error": {"code": "purpose_denied"}}]
    wider = checkout.post("/v1/tokenize", {"format": "refunds", "pan": PAN, "purposes": ["charge"]})
    assert wider.outcome == (403, "purpose_denied")


def test_luhn_is_demanded_unless_the_format_lets_others_in(checkout, billing):
    """One digit changed: refused by default, taken where the format says so."""
    wrong = "4111111111111112"
    assert checkout.post("/v1/tokenize", {"pan": wrong}).outcome == (422, "invalid_pan")
    token = checkout.tokenize(wrong, format="loose")
    assert billing.detokenize(token) == wrong


def test_a_card_that_equals_a_token_of_the_vault_is_refused(checkout):
    """A `valid` token passes Luhn and so looks like a card; taken as one it would have two meanings."""
    token = checkout.tokenize(cards.random_pan(), format="valid")
    assert cards.passes_luhn(token)
    assert checkout.post("/v1/tokenize", {"pan": token}).outcome == (422, "invalid_pan")
    assert checkout.tokenize_all([token, PAN])[0] == {"error": {"code": "invalid_pan"}}


def test_a_card_number_that_begins_with_zero_is_refused_in_every_format(checkout):
    """Industry digit 0 belongs to no payment network, all zeros would pass Luhn, and tokens never begin with 0."""
    for pan in (cards.make_pan(12345, prefix="0"), "0" * 16, "0" * 13):
        for name in ("cards", "bin6", "opaque", "loose"):
            assert checkout.post("/v1/tokenize", {"format": name, "pan": pan}).outcome == (422, "invalid_pan")


def test_answers_never_tell_whether_a_card_was_known(vault):
    """The answers to the first and the second tokenize of a card are equal byte for byte but for nothing."""
    pan = cards.random_pan()
    with vault.connect("checkout") as connection:
        first = connection.exchange("/v1/tokenize", {"pan": pan, "expiry": "2029-01"})
        second = connection.exchange("/v1/tokenize", {"pan": pan, "expiry": "2029-01"})
    assert (first.status, first.headers, first.body) == (second.status, second.headers, second.body)


def test_concurrent_requests_for_one_new_card_get_one_token(vault):
    """Eight connections ask at the same moment; `reuse: always` holds."""
    pan = cards.random_pan()
    connections = [vault.connect("checkout") for _ in range(8)]
    request = wire.request("/v1/tokenize", {"pan": pan})
    for connection in connections:
        connection.send(request)
    tokens = {connection.answer().json()["token"] for connection in connections}
    for connection in connections:
        connection.close()
    assert len(tokens) == 1
