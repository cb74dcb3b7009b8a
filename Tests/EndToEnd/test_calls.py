"""The JSON calls: single, batch, order, limits, what each answers."""
import re
import time

import pytest

import cards
import wire

PAN = "4111111111111111"


@pytest.fixture
def checkout(vault):
    return vault.client("checkout")


@pytest.fixture
def billing(vault):
    return vault.client("billing")


def test_a_card_goes_in_and_comes_back_on_tcp_and_on_the_unix_socket(vault):
    """The main job, over both listeners in all four combinations, with the fields that were given."""
    for way_in in (False, True):
        for way_out in (False, True):
            pan = cards.random_pan()
            answer = vault.client("checkout", unix=way_in).tokenized(pan, expiry="2028-05", reference="order 7 ✓")
            assert answer["last4"] == pan[-4:] and answer["expiry"] == "2028-05"
            assert answer["reference"] == "order 7 ✓" and answer["brand"] == "visa"
            revealed = vault.client("billing", unix=way_out).post(
                "/v1/detokenize", {"purpose": "charge", "token": answer["token"]}).json()
            assert revealed == {"pan": pan, "expiry": "2028-05"}


def test_a_batch_is_answered_in_order_with_an_error_for_each_bad_item(checkout, billing):
    """Good and bad cards and tokens mixed: every answer at its place, references with it."""
    good = [cards.random_pan() for _ in range(5)]
    items = [
        {"pan": good[0], "reference": "a"}, {"pan": "4111111111111112", "reference": "b"}, {"pan": good[1]},
        {"pan": "411", "reference": "c"}, {"pan": good[2], "expiry": "2030-13"}, {"pan": good[3], "expiry": "2030-12"},
        {"pan": good[4], "format": "nope"}, {"pan": ""}, {"pan": good[0]},
    ]
    results = checkout.tokenize_all(items)
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == [
        None, "invalid_pan", None, "invalid_pan", "invalid_expiry", None, "denied", "invalid_pan", None]
    assert results[0]["reference"] == "a" and results[5]["expiry"] == "2030-12"
    assert results[8]["token"] == results[0]["token"], "twice in one batch is one token"

    tokens = [results[5]["token"], "9900000000000000", "abc", results[0]["token"], "", results[2]["token"]]
    answers = billing.detokenize_all(tokens)
    assert [answer.get("pan") for answer in answers] == [good[3], None, None, good[0], None, good[1]]
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        None, "not_found", "invalid_token", None, "invalid_token", None]
    shown = checkout.post("/v1/inspect", {"tokens": tokens}).json()["results"]
    assert [entry.get("token") for entry in shown] == [tokens[0], None, None, tokens[3], None, tokens[5]]


def test_a_thousand_cards_and_ten_thousand_tokens_are_a_batch_and_one_more_is_too_large(checkout, billing):
    """The limits of the contract, exactly."""
    pans = cards.make_pans(1000, prefix="510510")
    results = checkout.tokenize_all(pans)
    tokens = [result["token"] for result in results]
    assert len(set(tokens)) == 1000
    too_many = {"cards": [{"pan": pan} for pan in [*pans, PAN]]}
    assert checkout.post("/v1/tokenize", too_many).outcome == (413, "too_large")

    ten_thousand = tokens * 10
    revealed = billing.detokenize_all(ten_thousand)
    assert [answer["pan"] for answer in revealed] == pans * 10
    more = [*ten_thousand, tokens[0]]
    assert billing.post("/v1/detokenize", {"purpose": "charge", "tokens": more}).outcome == (413, "too_large")
    assert len(billing.post("/v1/inspect", {"tokens": ten_thousand}).json()["results"]) == 10_000
    assert billing.post("/v1/inspect", {"tokens": more}).outcome == (413, "too_large")
    assert checkout.post("/v1/forget", {"tokens": more}).outcome == (413, "too_large")
    assert checkout.post("/v1/forget", {"tokens": ten_thousand}).json() == {"forgotten": 1000}
    assert billing.detokenize_all(tokens) == [{"error": {"code": "not_found"}}] * 1000


def test_empty_batches_and_both_forms_at_once_are_malformed(checkout, billing):
    """Neither nothing nor two things."""
    for body in ({"cards": []}, {"pan": PAN, "cards": [{"pan": PAN}]}, {"cards": {}}, {"cards": [PAN]}, {}):
        assert checkout.post("/v1/tokenize", body).outcome == (400, "malformed"), body
    for extra in ({"tokens": []}, {"token": "9900000000000000", "tokens": ["9900000000000000"]}, {}, {"tokens": [1]}):
        assert billing.post("/v1/detokenize", {"purpose": "charge", **extra}).outcome == (400, "malformed"), extra


def test_inspect_shows_a_mask_and_never_enough_digits_to_guess(checkout, billing):
    """BIN and last four leave at least four digits hidden at every length; the PAN is nowhere in the answer."""
    for length in range(12, 20):
        pan = cards.random_pan(length)
        token = checkout.tokenize(pan, expiry="2029-11", ttl=3600, purposes=["charge"])
        shown = billing.inspect(token)
        assert set(shown) == {"format", "brand", "bin", "last4", "expiry", "created", "expires_at", "purposes"}
        assert shown["last4"] == pan[-4:] and pan.startswith(shown["bin"])
        assert length - len(shown["bin"]) - 4 >= 4 and len(shown["bin"]) == (8 if length >= 16 else min(6, length - 8))
        assert shown["format"] == "cards" and shown["purposes"] == ["charge"] and shown["expiry"] == "2029-11"
        created = time.mktime(time.strptime(shown["created"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        assert abs(created - time.time()) < 5
        assert pan not in str(shown)


def test_find_tells_the_token_of_a_card_on_file_and_nothing_else(checkout):
    """By format and subject; a miss is the 404 of a missing token, byte for byte."""
    pan = cards.random_pan()
    miss = checkout.post("/v1/find", {"format": "cards", "pan": pan})
    assert miss.outcome == (404, "not_found")
    assert miss.body == checkout.post("/v1/inspect", {"token": "9900000000000000"}).body
    token = checkout.tokenize(pan)
    assert checkout.post("/v1/find", {"format": "cards", "pan": pan}).json() == {"token": token}
    other = checkout.post("/v1/find", {"format": "cards", "pan": pan, "subject": "someone"})
    assert other.outcome == (404, "not_found")
    with_subject = checkout.tokenize(pan, subject="someone")
    found = checkout.post("/v1/find", {"format": "cards", "pan": pan, "subject": "someone"})
    assert found.json() == {"token": with_subject} and with_subject != token
    assert checkout.post("/v1/find", {"pan": pan}).outcome == (400, "malformed")
    assert checkout.post("/v1/find", {"format": "cards", "pan": "4111111111111112"}).outcome == (422, "invalid_pan")


def test_fingerprints_are_stable_over_a_restart_and_differ_between_cards_and_vaults(vault, new_vault):
    """A keyed hash: the same card in another vault has another one."""
    pans = [cards.random_pan() for _ in range(3)]

    def prints(of):
        return [of.client("checkout").post("/v1/fingerprint", {"pan": pan}).json()["fingerprint"] for pan in pans]

    before = prints(vault)
    assert len(set(before)) == 3 and all(len(text) >= 32 for text in before)
    assert not any(pan in text for pan in pans for text in before)
    vault.restart()
    assert prints(vault) == before
    assert not set(prints(new_vault())) & set(before)


def test_forget_deletes_tokens_for_good(vault):
    """Once, alone and in a batch; the card then gets a new token; nothing comes back with a restart."""
    checkout = vault.client("checkout")
    pans = [cards.random_pan() for _ in range(4)]
    tokens = [checkout.tokenize(pan) for pan in pans]
    assert checkout.post("/v1/forget", {"token": tokens[0]}).json() == {"forgotten": 1}
    assert checkout.post("/v1/forget", {"token": tokens[0]}).json() == {"forgotten": 0}
    assert checkout.forget(tokens[0], tokens[1], tokens[1], tokens[2], "junk") == 2
    assert checkout.post("/v1/forget", {"token": "junk"}).outcome == (422, "invalid_token")
    vault.restart()
    found = vault.client("billing").detokenize_all(tokens)
    assert [answer.get("pan") for answer in found] == [None, None, None, pans[3]]
    checkout = vault.client("checkout")
    assert checkout.post("/v1/find", {"format": "cards", "pan": pans[0]}).outcome == (404, "not_found")
    assert checkout.tokenize(pans[0]) != tokens[0]


def test_tokens_survive_a_stop_and_a_kill(vault):
    """Acknowledged is durable."""
    pans = [cards.random_pan() for _ in range(50)]
    tokens = [result["token"] for result in vault.client("checkout").tokenize_all(pans)]
    for end in (vault.stop, vault.kill):
        end()
        vault.start()
        assert [answer["pan"] for answer in vault.client("billing").detokenize_all(tokens)] == pans


@pytest.mark.parametrize("expiry", ["2028-5", "28-05", "2028/05", "05-2028", "2028-00", "2028-13", "", " 2028-05",
                                    "2028-05 ", "2028-05-01", "٢٠٢٨-05", "2028-0x"])
def test_expiry_dates_that_are_none_are_refused(checkout, expiry):
    """YYYY-MM in ASCII or nothing."""
    answer = checkout.post("/v1/tokenize", {"pan": PAN, "expiry": expiry})
    assert answer.outcome == (422, "invalid_expiry")
    assert expiry == "" or expiry.encode() not in answer.body


@pytest.mark.parametrize("token", ["", "0" * 16, "0123456789012345", "99", "9" * 11, "9" * 20, "99000000000000a0",
                                   "-990000000000000", "+990000000000000", " 9900000000000000", "９９00000000000000"])
def test_texts_that_can_be_no_token_are_invalid_token(checkout, billing, token):
    """Refused by form, for reveal and inspect."""
    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (422, "invalid_token")
    assert checkout.post("/v1/inspect", {"token": token}).outcome == (422, "invalid_token")


@pytest.mark.parametrize("fields", [
    {"ttl": 0}, {"ttl": -1}, {"ttl": 1.5}, {"ttl": "60"}, {"ttl": 2**32}, {"ttl": 10**30}, {"ttl": None},
    {"subject": ""}, {"subject": "x" * 129}, {"subject": "a\nb"}, {"subject": "a\x7f"}, {"subject": 7},
    {"reference": ""}, {"reference": "x" * 129}, {"reference": "a\u0085b"},
    {"request_id": ""}, {"request_id": "x" * 65}, {"request_id": "a b"}, {"request_id": "ä"},
    {"purposes": []}, {"purposes": "charge"}, {"purposes": ["Charge"]}, {"purposes": ["charge"] * 33},
    {"format": ""}, {"format": "x" * 65}, {"format": "CARDS"}, {"format": None}, {"expiry": None}, {"expiry": 202805},
    {"unknown": 1}, {"Pan": PAN}, {"pan ": PAN}, {"token": "9900000000000000"}, {"purpose": "charge"},
], ids=lambda fields: re.sub(r"[^a-z0-9_]+", "-", str(fields).lower())[:40])
def test_fields_that_are_not_what_the_call_takes_are_malformed(checkout, fields):
    """Unknown, mistyped, out of range."""
    assert checkout.post("/v1/tokenize", {"pan": PAN, **fields}).outcome == (400, "malformed")


def test_the_longest_texts_that_are_allowed_are_taken(checkout):
    """The limits are inclusive."""
    answer = checkout.tokenized(
        PAN, subject="s" * 128, reference="r" * 128, request_id="i" * 64, ttl=2**32 - 1, purposes=["charge"])
    assert answer["reference"] == "r" * 128


def test_references_come_back_as_they_were_whatever_they_hold(vault):
    """Escapes, surrogate pairs and markup: decoded and encoded as JSON, equal in value."""
    with vault.connect("checkout") as connection:
        for text in ("\"\\/<>&'", "a\\u0041 é 😀", "\u2028\u2029", "{\"pan\":1}", "%s%n", "' OR 1=1 --"):
            answer = connection.exchange("/v1/tokenize", {"pan": PAN, "reference": text})
            assert answer.json()["reference"] == text
        body = b'{"pan":"4111111111111111","reference":"\\u00e9\\ud83d\\ude00\\t"}'
        assert connection.exchange("/v1/tokenize", body).outcome == (400, "malformed")
        body = b'{"pan":"41\\u00311111111111111","reference":"\\u00e9\\ud83d\\ude00"}'
        assert connection.exchange("/v1/tokenize", body).json()["reference"] == "é😀"


def test_answers_are_plain_and_never_cached(vault):
    """Content type, length, no-store, and not one header that tells about the software."""
    with vault.connect("checkout") as connection:
        good = connection.exchange("/v1/tokenize", {"pan": PAN})
        bad = connection.exchange("/v1/tokenize", b"{")
    assert good.headers == {
        "content-type": "application/json", "cache-control": "no-store", "content-length": str(len(good.body))}
    assert bad.headers["content-type"] == "application/problem+json" and bad.headers["cache-control"] == "no-store"
    assert bad.json() == {
        "type": "urn:problem-type:strongroom:malformed", "title": "The request is not what this call takes.",
        "status": 400, "code": "malformed"}


def test_paths_methods_and_media_types_are_exact(vault):
    """404, 405 with Allow, 415; and the connection goes on after each."""
    with vault.connect("checkout") as connection:
        for path in ("/", "/v1", "/v1/", "/v1/tokenize/", "/v2/tokenize", "/V1/tokenize", "//v1/tokenize",
                     "/v1/tokenize?a=1", "/v1/%74okenize", "/livez", "/metrics", "/v1/status"):
            assert connection.exchange(path, {"pan": PAN}).outcome == (404, "not_found"), path
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            answer = connection.exchange("/v1/tokenize", {"pan": PAN}, method=method)
            assert answer.outcome == (405, "method_not_allowed") and answer.headers["allow"] == "POST", method
        for media_type in (None, "", "text/html", "application/x-www-form-urlencoded",
                           "application/json; charset=latin1",
                           "application/json,text/plain", "application/json; a=b; c=d", "application/jsonx"):
            answer = connection.exchange("/v1/tokenize", {"pan": PAN}, type=media_type)
            assert answer.outcome == (415, "unsupported_media_type"), media_type
        for media_type in ("application/json", "Application/JSON", "application/json; charset=utf-8",
                           "application/json;charset=UTF-8"):
            assert connection.exchange("/v1/tokenize", {"pan": PAN}, type=media_type).status == 200, media_type
        for path in ("/v1/inspect", "/v1/find", "/v1/fingerprint", "/v1/forget"):
            answer = connection.exchange(path, b"9900000000000000", type="text/plain")
            assert answer.outcome == (415, "unsupported_media_type"), path


def test_a_body_over_the_limit_is_refused_before_it_is_read(vault):
    """1 MiB is taken, one byte more is 413 at the head, without waiting for the body, and closes."""
    padding = b" " * ((1 << 20) - 40)
    body = b'{"pan":"4111111111111111"}' + padding
    with vault.connect("checkout") as connection:
        assert connection.exchange("/v1/tokenize", body).status == 200
        head = wire.request("/v1/tokenize").replace(b"Content-Length: 0", b"Content-Length: 1048577")
        connection.send(head)
        answer = connection.answer()
        assert answer.outcome == (413, "too_large") and answer.headers["connection"] == "close"
        assert connection.answer() is None
    with vault.connect("checkout") as connection:
        connection.send(
            wire.request("/v1/tokenize").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            + wire.chunk(b" " * (1 << 20)) + wire.chunk(b" "))
        assert connection.answer().outcome == (413, "too_large")
