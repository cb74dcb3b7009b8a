"""HTTP/1.1 abuse: framing, smuggling, limits, timing. Cases from the vectors and from http_cases_extra.json."""
import json
import pathlib

import pytest

import cards
import httpcases
import strongroom

EXTRA = json.loads((pathlib.Path(__file__).parent / "http_cases_extra.json").read_text())["cases"]


def _shared():
    path = cards.VECTORS / "http_cases.json"
    if not path.exists():
        print(f"!!! vectors absent: {path}")
        return []
    return json.loads(path.read_text())["cases"]


SHARED = _shared()


@pytest.fixture(scope="module")
def vault():
    values = strongroom.settings(
        timeouts={"header": "2s", "body": "3s", "idle": "20s", "write_stall": "20s", "handshake": "5s"})
    with strongroom.Vault(values) as made:
        yield made
        assert made.stop() == 0, made.log[-4000:]


@pytest.fixture(scope="module")
def token(vault):
    return vault.client("checkout").tokenize("4111111111111111")


@pytest.fixture(scope="module")
def good(vault, token):
    with vault.connect("billing") as connection:
        connection.send(httpcases.plain(token))
        answer = connection.answer()
    assert answer.json() == {"pan": "4111111111111111"}
    return answer


def test_all_shared_cases_are_there():
    """108 cases, or a loud skip."""
    cards.vector_file("http_cases.json")
    assert len(SHARED) == 108


@pytest.mark.parametrize("row", SHARED, ids=lambda row: row["id"])
def test_a_shared_case_gets_what_it_must(vault, token, good, row):
    """A case of the vectors; the daemon lives afterwards (see conftest)."""
    httpcases.judge(vault, httpcases.Case(row, token), good)


@pytest.mark.parametrize("row", EXTRA, ids=lambda row: row["id"])
def test_a_case_of_ours_gets_what_it_must(vault, token, good, row):
    """A case of http_cases_extra.json; the daemon lives afterwards."""
    httpcases.judge(vault, httpcases.Case(row, token), good)


def test_the_checker_notices_a_smuggled_reply(vault, token, good):
    """Control: two requests where a case allows one reply, and an open connection where it must end, are faults."""
    row = {
        "id": "control", "why": "control", "request_base64": httpcases.base64.b64encode(
            httpcases.plain(token) * 2).decode(),
        "check": {"status": ["ok"], "replies": 1, "close": False}}
    with pytest.raises(AssertionError, match="2 replies instead of 1"):
        httpcases.judge(vault, httpcases.Case(row, token), good)
    row["check"] = {"status": ["ok"], "replies": 2, "close": True}
    with pytest.raises(AssertionError, match="stays open"):
        httpcases.judge(vault, httpcases.Case(row, token), good)
    row["check"] = {"status": ["4xx"], "replies": 2}
    with pytest.raises(AssertionError, match="200 is not of"):
        httpcases.judge(vault, httpcases.Case(row, token), good)
