"""Every published test card of cards.csv, 12 to 19 digits."""
import pytest

import cards
import strongroom

#: Brands by which cards.csv, whose ranges come from the same public tables, and the vault name a card alike.
WIRE_NAMES = {
    "american-express": "amex", "amex": "amex", "diners-club": "diners", "diners": "diners", "union-pay": "unionpay",
    "unionpay": "unionpay", "visa": "visa", "mastercard": "mastercard", "discover": "discover", "jcb": "jcb",
    "maestro": "maestro", "mir": "mir", "elo": "elo", "hiper": "hiper", "hipercard": "hipercard", "troy": "troy",
    "naranja": "naranja", "verve": "verve",
}


@pytest.fixture(scope="module")
def vault():
    values = strongroom.settings(
        formats={"cards": {"keep": "last4"}, "loose": {"keep": "last4", "accept_luhn_invalid": True}},
        clients=[
            strongroom.client("checkout", ["tokenize"], ["cards", "loose"]),
            strongroom.client("billing", ["detokenize"], ["cards", "loose"], ["charge"]),
        ])
    with strongroom.Vault(values) as made:
        yield made
        assert made.stop() == 0, made.log[-4000:]


def test_every_published_card_that_passes_luhn_gets_a_token_and_comes_back(vault):
    """Single calls, one by one: length, last four, brand, BIN, no Luhn in the token, the same card back."""
    checkout, billing = vault.client("checkout"), vault.client("billing")
    rows = [row for row in cards.published_cards() if row["luhn"] == "pass"]
    assert len(rows) == 218
    brands = set()
    for row in rows:
        answer = checkout.tokenized(row["pan"])
        token = answer["token"]
        assert len(token) == int(row["length"]) == len(row["pan"]) and token.startswith("99")
        assert answer["last4"] == row["last4"] and not cards.passes_luhn(token)
        assert row["bin8"].startswith(answer["bin"]) and len(answer["bin"]) >= min(6, len(row["pan"]) - 8)
        expected = WIRE_NAMES.get(row["brand_by_iin"], "unknown")
        assert answer["brand"] == expected, (row["brand_by_iin"], answer["brand"])
        brands.add(answer["brand"])
        assert billing.detokenize(token) == row["pan"]
    assert {"visa", "mastercard", "amex", "discover", "jcb", "diners", "unionpay", "maestro"} <= brands


def test_cards_that_fail_luhn_are_refused_unless_the_format_takes_them(vault):
    """`invalid_pan` by default, single and in a batch; token and back under accept_luhn_invalid."""
    checkout, billing = vault.client("checkout"), vault.client("billing")
    pans = [row["pan"] for row in cards.published_cards() if row["luhn"] == "fail"]
    assert len(pans) == 66
    for pan in pans:
        answer = checkout.post("/v1/tokenize", {"pan": pan})
        assert answer.outcome == (422, "invalid_pan") and pan.encode() not in answer.body
    assert checkout.tokenize_all(pans) == [{"error": {"code": "invalid_pan"}}] * len(pans)
    tokens = [result["token"] for result in checkout.tokenize_all(pans, format="loose")]
    assert [result["pan"] for result in billing.detokenize_all(tokens)] == pans


def test_every_card_goes_through_bulk_both_ways(vault):
    """All rows as lines: good ones become tokens and cards again, the others `!invalid_pan`, each at its place."""
    rows = cards.published_cards()
    body = "".join(row["pan"] + "\n" for row in rows).encode()
    answer = vault.client("checkout").post("/v1/tokenize", body, type="text/plain")
    tokens = answer.lines
    assert len(tokens) == len(rows)
    for row, token in zip(rows, tokens):
        assert (token == "!invalid_pan") == (row["luhn"] == "fail")
    good = [(row["pan"], token) for row, token in zip(rows, tokens) if row["luhn"] == "pass"]
    body = "".join(token + "\n" for _, token in good).encode()
    answer = vault.client("billing").post(
        "/v1/detokenize", body, type="text/plain", headers={"Strongroom-Purpose": "charge"})
    assert answer.lines == [pan for pan, _ in good]


def test_all_lengths_are_among_the_cards(vault):
    """12 digits are in no public list, so one is made here; 13 to 19 come from the vectors."""
    lengths = {len(row["pan"]) for row in cards.published_cards() if row["luhn"] == "pass"}
    pan = cards.make_pan(7, length=12, prefix="5018")
    token = vault.client("checkout").tokenize(pan)
    assert vault.client("billing").detokenize(token) == pan
    assert lengths | {12} == set(range(12, 20))
