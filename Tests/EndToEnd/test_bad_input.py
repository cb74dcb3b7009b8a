"""What bad input gets: never a 5xx, never a byte of it back, and the connection knows where it stands."""
import base64
import json

import pytest

import cards
import wire
from problems import assert_known_problem

PAN = "4111111111111111"


def case_bytes(case):
    """The argument of a case of pan_invalid.json."""
    if "repeat" in case:
        return bytes.fromhex(case["repeat"]["hex"]) * case["repeat"]["count"]
    return bytes.fromhex(case["hex"])


def json_string(data):
    """Bytes as a JSON string, escaping only what must be, so that broken UTF-8 stays broken."""
    escapes = {0x22: b'\\"', 0x5C: b"\\\\"}
    return b'"' + b"".join(
        escapes.get(byte, b"\\u%04x" % byte if byte < 0x20 else bytes([byte])) for byte in data) + b'"'


def test_every_input_that_is_no_card_is_refused_as_json_and_as_a_line(vault):
    """All of pan_invalid.json, on tokenize, find and fingerprint and in bulk. Two cases pass every syntactic test."""
    refused = 0
    with vault.connect("checkout") as connection:
        for case in cards.vectors("pan_invalid.json")["cases"]:
            data = case_bytes(case)
            accepted = case["expect"] != "reject"
            for path, extra in (("/v1/tokenize", b""), ("/v1/find", b'"format":"cards",'), ("/v1/fingerprint", b"")):
                answer = connection.exchange(path, b"{" + extra + b'"pan":' + json_string(data) + b"}")
                if accepted:
                    assert answer.status in (200, 404), (case["id"], path)
                    continue
                assert_known_problem(answer)
                assert answer.status in (400, 413, 422), (case["id"], path, answer.status)
                expected = {"invalid_pan"} if is_utf8(data) else {"malformed"}
                if len(data) > 1 << 19:
                    expected = {"too_large"}
                assert answer.code in expected, (case["id"], path, answer.code)
                refused += 1
                if answer.headers.get("connection") == "close":
                    connection.close()
                    connection = vault.connect("checkout")
            if accepted or len(data) > 1 << 19:
                continue
            answer = connection.exchange("/v1/tokenize", data, type="text/plain")
            lines = data.removesuffix(b"\n").split(b"\n") if data else []
            assert answer.status == 200 and len(answer.lines) == len(lines)
            for line, result in zip(lines, answer.lines):
                # An argument with a line end in it is two lines, one of which may hold a good card.
                good = line.removesuffix(b"\r") == PAN.encode()
                assert good or result in ("!invalid_pan", "!malformed", "!invalid_expiry"), case["id"]
        connection.close()
    assert refused >= 3 * 110


def is_utf8(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def test_json_numbers_are_no_card_numbers(vault):
    """A PAN is a string; a number would lose digits in other programs."""
    with vault.connect("checkout") as connection:
        for value in (PAN, "4.111111111111111e15", "-4111111111111111", "null", "true", f'["{PAN}"]',
                      f'{{"a":"{PAN}"}}'):
            answer = connection.exchange("/v1/tokenize", b'{"pan":' + value.encode() + b"}")
            assert answer.outcome == (400, "malformed"), value
            assert_known_problem(answer)


SUITE_CALLS = ["/v1/tokenize", "/v1/detokenize", "/v1/inspect", "/v1/find", "/v1/fingerprint", "/v1/forget"]


@pytest.mark.parametrize("path", SUITE_CALLS)
def test_every_document_of_the_json_suite_gets_its_answer(vault, path):
    """316 documents as bodies. None is a request of ours, so even good JSON is 400; never 5xx, never a reset."""
    name = "billing" if path.endswith("detokenize") else "checkout"
    connection = vault.connect(name)
    for case in cards.vectors("json_test_suite.json"):
        body = base64.b64decode(case["bytes_base64"])
        answer = connection.exchange(path, body)
        assert_known_problem(answer)
        assert answer.status in (400, 413, 422), (case["name"], answer)
        if case["expect"] == "reject":
            assert answer.outcome == (400, "malformed"), case["name"]
    connection.close()


@pytest.mark.parametrize("field", ["pan", "reference", "subject"])
def test_the_json_suite_inside_a_request_agrees_with_the_suite(vault, field):
    """Each document as a value inside a good request: what a strict parser rejects is `malformed`; what it accepts is
    taken where the value is a string fit for the field, and refused as that where it is not."""
    with vault.connect("checkout") as connection:
        for case in cards.vectors("json_test_suite.json"):
            document = base64.b64decode(case["bytes_base64"])
            if len(document) > 3000 or document.strip() == b"":
                continue
            prefix = b"{" if field == "pan" else b'{"pan":"4111111111111111",'
            answer = connection.exchange("/v1/tokenize", prefix + b'"%s":' % field.encode() + document + b"}")
            if answer.status != 200:
                assert_known_problem(answer)
            allowed = {200, 400, 422} if case["expect"] != "reject" else {400}
            if case["name"] in ("n_structure_object_with_trailing_garbage.json",):
                allowed = {400}
            value = is_json_string(document)
            if case["expect"] == "reject" and value is not None:
                allowed |= {200, 422}  # rejected for what follows it, which here is our closing brace
            assert answer.status in allowed, (case["name"], document[:60], answer)


def is_json_string(document):
    try:
        value = json.loads(document)
        return value if isinstance(value, str) else None
    except (ValueError, UnicodeDecodeError):
        return None


@pytest.mark.parametrize("document", [
    b"[" * 100_000, b'[{"":' * 50_000 + b"\n", b'{"a":' * 100_000, b'{"pan":' + b"[" * 100_000,
    b'{"x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", b'"' + b"\\u0041" * 100_000, b"1" * 900_000,
    b'{"pan":"4111111111111111","ttl":' + b"9" * 900_000 + b"}", b"-", b"{", b'{"', b'{"pan', b"\xef\xbb\xbf{}",
    b"\xff" * 1000,
], ids=["arrays", "arrays-and-objects", "objects", "arrays-in-pan", "closed-objects", "open-string", "digits",
        "huge-ttl", "minus", "brace", "brace-quote", "open-name", "byte-order-mark", "not-utf8"])
def test_documents_made_to_exhaust_a_parser_are_malformed(vault, document):
    """The two upstream files that are left out of the vectors for their size, and others in their spirit."""
    with vault.connect("checkout") as connection:
        answer = connection.exchange("/v1/tokenize", document)
        assert answer.outcome == (400, "malformed")
        assert_known_problem(answer)
        assert connection.exchange("/v1/tokenize", {"pan": PAN}).status == 200


@pytest.mark.parametrize("name", [
    "cvv", "cvc", "cvv2", "cvc2", "cid", "csc", "CVV", "card_cvv", "security_code", "securityCode",
    "card-security-code",
    "card_verification_value", "track", "track1", "track2", "Track2Data", "track2_equivalent_data", "magstripe", "pin",
    "PIN", "pin_block", "pinBlock", "encrypted_pin_block"])
def test_sensitive_authentication_data_is_refused_unread(vault, name):
    """Beside a card, in a batch, nested, before and behind the rest, with any kind of value; and nothing is stored."""
    before = vault.metrics()["strongroom_tokens_made_total"]
    secret = "737-secret"
    bodies = [
        {"pan": PAN, name: "737"}, {name: 737, "pan": PAN}, {"pan": PAN, name: {"value": secret}},
        {"pan": PAN, name: None},
        {"cards": [{"pan": PAN}, {"pan": PAN, name: secret}]}, {"cards": [{"pan": PAN}], name: secret},
        {"pan": PAN, "card": {name: secret}}, {"pan": PAN, "unknown": 1, name: secret},
    ]
    with vault.connect("checkout") as connection:
        for body in bodies:
            answer = connection.exchange("/v1/tokenize", body)
            assert answer.outcome == (422, "sensitive_authentication_data"), body
            assert_known_problem(answer)
        for path in ("/v1/find", "/v1/fingerprint", "/v1/inspect", "/v1/forget"):
            assert connection.exchange(path, {"token": "9900000000000000", name: "1"}).outcome == (
                422, "sensitive_authentication_data"), path
    assert vault.metrics()["strongroom_tokens_made_total"] == before


def test_duplicate_keys_and_trailing_bytes_are_malformed(vault):
    """Two parsers would read two requests."""
    with vault.connect("checkout") as connection:
        for body in (
            b'{"pan":"4111111111111111","pan":"4111111111111111"}', b'{"pan":"4111111111111111","p\\u0061n":"5"}',
            b'{"cards":[{"pan":"4111111111111111"}],"cards":[]}', b'{"pan":"4111111111111111"}x',
            b'{"pan":"4111111111111111"}{}', b'{"pan":"4111111111111111"}\x00', b'{"pan":"4111111111111111",}',
            b"{'pan':'4111111111111111'}", b'{"pan":"4111111111111111"}//', b'\xfe\xff{"pan":"4111111111111111"}',
        ):
            answer = connection.exchange("/v1/tokenize", body)
            assert answer.outcome == (400, "malformed"), body
        spaced = b' \r\n\t{ "pan" :\t"4111111111111111" } \n'
        assert connection.exchange("/v1/tokenize", spaced).status == 200


def test_every_prefix_of_a_good_request_is_refused_or_waited_for(vault):
    """Cut after each byte with a true length, JSON is malformed; the daemon never answers with success."""
    body = json.dumps({"pan": PAN, "expiry": "2030-01", "subject": "s", "ttl": 60, "purposes": ["charge"]}).encode()
    with vault.connect("checkout") as connection:
        for end in range(len(body)):
            answer = connection.exchange("/v1/tokenize", body[:end])
            assert answer.outcome == (400, "malformed"), body[:end]
        assert connection.exchange("/v1/tokenize", body).status == 200


def test_every_flipped_byte_of_a_good_request_has_an_answer(vault):
    """Each byte of body, then of head, turned to others: some answer below 500, or a closed connection."""
    body = json.dumps({"pan": PAN, "expiry": "2030-01", "ttl": 60}).encode()
    good = wire.request("/v1/tokenize", body)
    connection = vault.connect("checkout", timeout=3)
    for position in range(len(good)):
        for change in (0x01, 0x80, 0x20):
            data = bytearray(good)
            data[position] ^= change
            if position < len(good) - len(body):
                with vault.connect("checkout", timeout=3) as single:
                    single.send(bytes(data))
                    single.half_close()
                    try:
                        answer = single.answer()
                    except wire.ProtocolError as error:
                        raise AssertionError(f"{bytes(data)!r}") from error
                    assert answer is None or answer.status < 500
                continue
            connection.send(bytes(data))
            answer = connection.answer()
            assert answer.status in (200, 400, 422), bytes(data)
            if answer.status != 200:
                assert_known_problem(answer)
    connection.close()
