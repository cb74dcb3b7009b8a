"""Bulk: lines in, lines out, in order, while the upload still runs."""
import threading
import time

import pytest

import cards
import strongroom
import wire

PURPOSE = ["Strongroom-Purpose: charge"]


@pytest.fixture(scope="module")
def stock(vault):
    """Two thousand cards on file, the even ones with an expiry: pairs of card and token."""
    pans = cards.make_pans(2000, prefix="520000")
    items = [{"pan": pan, "expiry": "2031-07"} if index % 2 == 0 else {"pan": pan} for index, pan in enumerate(pans)]
    results = [result for start in (0, 1000)
               for result in vault.client("checkout").tokenize_all(items[start : start + 1000])]
    return [(pan, result["token"]) for pan, result in zip(pans, results)]


def upload(path, headers=()):
    """The head of a chunked text/plain upload."""
    lines = [f"POST {path} HTTP/1.1", "Host: vault.internal", "Content-Type: text/plain", "Transfer-Encoding: chunked"]
    return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode()


def bulk(vault, path, body, *, name=None, headers=None, unix=False):
    """A whole bulk request in one piece."""
    name = name or ("billing" if path.endswith("detokenize") else "checkout")
    if headers is None:
        headers = PURPOSE if path.endswith("detokenize") else []
    with vault.connect(name, unix=unix, timeout=60) as connection:
        return connection.exchange(path, body, type="text/plain", headers=headers)


def counts(answer):
    """Succeeded and failed as the trailers say."""
    return int(answer.trailers["strongroom-succeeded"]), int(answer.trailers["strongroom-failed"])


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_lines_come_back_in_order_with_trailers_that_count_them(vault, stock, unix):
    """Both directions, some thousand lines."""
    body = "".join(token + "\n" for _, token in stock).encode()
    answer = bulk(vault, "/v1/detokenize", body, unix=unix)
    assert answer.lines == [pan for pan, _ in stock]
    assert counts(answer) == (2000, 0)
    assert answer.headers["trailer"] == "Strongroom-Succeeded, Strongroom-Failed"
    body = "".join(pan + "\n" for pan, _ in stock).encode()
    answer = bulk(vault, "/v1/tokenize", body, unix=unix)
    assert answer.lines == [token for _, token in stock]
    assert counts(answer) == (2000, 0)


def test_a_line_that_fails_is_a_code_at_its_place(vault, stock):
    """Bad lines of every kind among good ones; the stream goes on."""
    pan, token = stock[1]
    lines = [token, "", "abc", "9900000000000000", token + "0" * 50, "x" * 65, "x" * 5000, " " + token, token + ",",
             token, "0" * 16, "\u0661" * 6, token]
    answer = bulk(vault, "/v1/detokenize", "\n".join(lines).encode())
    invalid = "!invalid_token"
    assert answer.lines == [
        pan, invalid, invalid, "!not_found", "!malformed", "!malformed", "!malformed", invalid, invalid, pan, invalid,
        invalid, pan]
    assert counts(answer) == (3, 10)

    pan, token = stock[0]
    lines = [pan, pan + ",2031-07", "", "4111111111111112", pan + ",", pan + ",2030-1", pan + ",2030-01,123", "y" * 100,
             "," + pan,
             pan + " ", pan + ",2031-07"]
    answer = bulk(vault, "/v1/tokenize", "\n".join(lines).encode())
    invalid = "!invalid_pan"
    assert answer.lines == [
        token, token, invalid, invalid, "!invalid_expiry", "!invalid_expiry", "!malformed", "!malformed", invalid,
        invalid, token]
    assert counts(answer) == (3, 8)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_lines_end_with_lf_or_crlf_and_the_last_may_do_without(vault, stock, end, last):
    """Every line has exactly one answer in all four cases."""
    body = end.join(token.encode() for _, token in stock[:10]) + (end if last else b"")
    assert bulk(vault, "/v1/detokenize", body).lines == [pan for pan, _ in stock[:10]]


def test_an_empty_body_has_an_empty_answer_with_trailers(vault):
    """No line, no answer line, counts of zero."""
    for path in ("/v1/detokenize", "/v1/tokenize"):
        answer = bulk(vault, path, b"")
        assert answer.status == 200 and answer.body == b"" and counts(answer) == (0, 0)


def test_limits_of_a_line_are_exact(vault):
    """64 bytes are a (bad) line, 65 are too long, the end of line does not count."""
    for end in (b"\n", b"\r\n"):
        assert bulk(vault, "/v1/detokenize", b"1" * 64 + end).lines == ["!invalid_token"]
        assert bulk(vault, "/v1/detokenize", b"1" * 65 + end).lines == ["!malformed"]
    assert bulk(vault, "/v1/detokenize", b"1" * 64).lines == ["!invalid_token"]
    assert bulk(vault, "/v1/detokenize", b"1" * 65).lines == ["!malformed"]


def test_fields_of_an_answer_line_are_chosen_by_a_header(vault, stock):
    """`pan,expiry` gives both, with the comma even where there is no expiry; anything else is refused."""
    body = "".join(token + "\n" for _, token in stock[:4]).encode() + b"9900000000000000\n"
    answer = bulk(vault, "/v1/detokenize", body, headers=[*PURPOSE, "Strongroom-Fields: pan,expiry"])
    expected = [f"{pan},{'2031-07' if index % 2 == 0 else ''}" for index, (pan, _) in enumerate(stock[:4])]
    assert answer.lines == [*expected, "!not_found"]
    answer = bulk(vault, "/v1/detokenize", body, headers=[*PURPOSE, "Strongroom-Fields: pan"])
    assert answer.lines == [*(pan for pan, _ in stock[:4]), "!not_found"]
    for fields in ("expiry", "pan,cvv", "", "pan,expiry,pan"):
        answer = bulk(vault, "/v1/detokenize", body, headers=[*PURPOSE, f"Strongroom-Fields: {fields}"])
        assert answer.outcome == (400, "malformed"), fields
    answer = bulk(vault, "/v1/detokenize", body, headers=PURPOSE * 2)
    assert answer.outcome == (400, "malformed")
    answer = bulk(vault, "/v1/tokenize", b"", headers=PURPOSE)
    assert answer.outcome == (400, "malformed")


def test_a_bulk_expiry_goes_in_with_the_card(vault):
    """`PAN,YYYY-MM` stores both."""
    pan = cards.random_pan()
    [token] = bulk(vault, "/v1/tokenize", f"{pan},2033-03\n".encode()).lines
    assert vault.client("billing").inspect(token)["expiry"] == "2033-03"
    answer = bulk(vault, "/v1/detokenize", token.encode(), headers=[*PURPOSE, "Strongroom-Fields: pan,expiry"])
    assert answer.lines == [f"{pan},2033-03"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_be_cut_anywhere(vault, stock, size):
    """Chunks and TLS records of one byte, of seven, of a thousand: the same answer."""
    body = "".join(token + "\r\n" for _, token in stock[:60]).encode() + b"z" * 300 + b"\n" + stock[0][1].encode()
    with vault.connect("billing") as connection:
        connection.send(upload("/v1/detokenize", PURPOSE))
        for start in range(0, len(body), size):
            connection.send(wire.chunk(body[start : start + size]))
        connection.send(b"0\r\n\r\n")
        answer = connection.answer()
    assert answer.lines == [*(pan for pan, _ in stock[:60]), "!malformed", stock[0][0]]


@pytest.mark.parametrize("path,unix", [("/v1/detokenize", False), ("/v1/detokenize", True), ("/v1/tokenize", False),
                                       ("/v1/tokenize", True)])
def test_answers_arrive_while_the_upload_still_runs(vault, stock, path, unix):
    """The client sends 20 lines and waits for their 20 answers before it sends the next: it could wait for ever."""
    name, column = ("billing", 1) if path.endswith("/detokenize") else ("checkout", 0)
    with vault.connect(name, unix=unix, timeout=10) as connection:
        connection.send(upload(path, PURPOSE if name == "billing" else []))
        answers, chunks = b"", None
        for part in range(10):
            rows = stock[part * 20 : part * 20 + 20]
            connection.send(wire.chunk("".join(row[column] + "\n" for row in rows).encode()))
            if chunks is None:
                assert connection.reader.head()[0] == 200
                chunks = connection.reader.chunks()
            while answers.count(b"\n") < part * 20 + 20:
                answers += next(chunks)
        connection.send(b"0\r\n\r\n")
        assert list(chunks) == []
        assert connection.reader.trailers == {"strongroom-succeeded": "200", "strongroom-failed": "0"}
    assert answers.decode().split() == [row[1 - column] for row in stock[:200]]


def test_a_reader_that_stops_stops_the_upload_and_nothing_is_lost(vault, stock):
    """Back-pressure: with no one reading, the daemon takes in a bounded amount, its memory stays, others are served;
    when reading goes on, every line has its answer."""
    block = "".join(token + "\n" for _, token in stock).encode()
    blocks = 1500  # 51 MB, far more than the sockets of both ends can hold
    sent = []
    with vault.connect("billing", timeout=60) as connection:
        connection.send(upload("/v1/detokenize", PURPOSE))
        connection.send(wire.chunk(block))
        before = vault.memory()

        def write():
            for _ in range(blocks - 1):
                connection.send(wire.chunk(block))
                sent.append(len(block))
            connection.send(b"0\r\n\r\n")

        writer = threading.Thread(target=write)
        writer.start()
        stalled = wait_until_still(lambda: len(sent))
        assert stalled < blocks / 2, "the daemon reads on though no one takes its answers"
        assert vault.memory() < before + (24 << 20)
        assert vault.client("billing").detokenize(stock[0][1]) == stock[0][0]
        answer = connection.answer()
        writer.join()
    assert counts(answer) == (blocks * 2000, 0), "lines were lost, doubled or torn"
    assert answer.body == "".join(pan + "\n" for pan, _ in stock).encode() * blocks


def wait_until_still(read, still=1.5, within=20.0):
    """The value of `read` when it has not changed for a while."""
    value, since, end = read(), time.monotonic(), time.monotonic() + within
    while time.monotonic() - since < still:
        assert time.monotonic() < end, "never comes to rest"
        time.sleep(0.05)
        if (now := read()) != value:
            value, since = now, time.monotonic()
    return value


def test_the_connection_serves_on_after_a_bulk_request(vault, stock):
    """JSON, bulk, bulk, JSON, sent all at once, answered in order."""
    pan, token = stock[3]
    single = wire.request("/v1/detokenize", {"purpose": "charge", "token": token})
    lines = wire.request("/v1/detokenize", f"{token}\n{token}".encode(), type="text/plain", headers=PURPOSE)
    chunked = upload("/v1/detokenize", PURPOSE) + wire.chunk(token.encode()) + b"0\r\n\r\n"
    with vault.connect("billing") as connection:
        connection.send(single + lines + chunked + single)
        answers = [connection.answer() for _ in range(4)]
    assert [answer.is_chunked for answer in answers] == [False, True, True, False]
    assert answers[1].lines == [pan, pan] and answers[2].lines == [pan] and answers[3].json() == {"pan": pan}


def test_pipelined_bulk_tokenizing_is_answered_in_order(vault):
    """Requests that wait for the writer do not overtake each other, nor a JSON request behind them."""
    pans = cards.make_pans(30, prefix="530000")
    with vault.connect("checkout") as connection:
        for start in (0, 10):
            connection.request("/v1/tokenize", "\n".join(pans[start : start + 10]).encode(), type="text/plain")
        connection.request("/v1/tokenize", {"cards": [{"pan": pan} for pan in pans[20:]]})
        first, second, third = (connection.answer() for _ in range(3))
    tokens = [*first.lines, *second.lines, *(result["token"] for result in third.json()["results"])]
    assert [answer["pan"] for answer in vault.client("billing").detokenize_all(tokens)] == pans


@pytest.mark.parametrize("path", ["/v1/detokenize", "/v1/tokenize"])
def test_a_client_that_half_closes_after_its_upload_gets_every_answer(vault, stock, path):
    """close_notify and FIN behind the last chunk; the answer is whole, then the connection ends."""
    name, column = ("billing", 1) if path.endswith("/detokenize") else ("checkout", 0)
    body = "".join(row[column] + "\n" for row in stock).encode()
    with vault.connect(name, timeout=20) as connection:
        connection.request(path, body, type="text/plain", headers=PURPOSE if name == "billing" else [])
        connection.half_close()
        answer = connection.answer()
        assert answer.lines == [row[1 - column] for row in stock]
        assert connection.answer() is None


@pytest.mark.parametrize("end", ["abort", "half_close", "close"])
def test_an_upload_that_breaks_off_ends_the_connection_and_hurts_no_one(vault, stock, end):
    """No last chunk, no trailers: the client can tell. Connections are let go and the next one is served."""
    before = vault.metrics()["strongroom_connections"]
    for path, name, row in (("/v1/detokenize", "billing", stock[0][1]), ("/v1/tokenize", "checkout", stock[0][0])):
        connection = vault.connect(name, timeout=10)
        connection.send(upload(path, PURPOSE if name == "billing" else []) + wire.chunk(row.encode() + b"\n" + b"99"))
        assert connection.reader.head()[0] == 200
        getattr(connection, end)()
        if end == "half_close":
            with pytest.raises(wire.ProtocolError):
                list(connection.reader.chunks())
        connection.close()
    for _ in range(100):
        if vault.metrics()["strongroom_connections"] <= before:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("connections stay open")
    assert vault.client("billing").detokenize(stock[0][1]) == stock[0][0]


def test_curl_makes_a_billing_job_of_two_files(vault, stock, tmp_path):
    """The command line of the README: tokens in a file, cards out, trailers in the header dump; with Expect."""
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("".join(token + "\n" for _, token in stock) * 50)
    headers = tmp_path / "headers"
    for arguments in (["--data-binary", f"@{tokens}"], ["-X", "POST", "-T", tokens],
                      ["-X", "POST", "-T", tokens, "-H", "Transfer-Encoding: chunked"]):
        done = vault.curl(
            "/v1/detokenize", "-H", "Content-Type: text/plain", "-H", "Strongroom-Purpose: charge", "-D", headers,
            *arguments, name="billing")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "".join(pan + "\n" for pan, _ in stock).encode() * 50
        assert "Strongroom-Succeeded: 100000" in headers.read_text()


def test_a_right_taken_away_by_a_reload_ends_a_running_stream(new_vault):
    """The client is removed while its upload runs: no further line is answered."""
    values = strongroom.settings()
    vault = new_vault(values)
    token = vault.client("checkout").tokenize("4111111111111111")
    connection = vault.connect("billing", timeout=10)
    connection.send(upload("/v1/detokenize", PURPOSE) + wire.chunk(token.encode() + b"\n"))
    assert connection.reader.head()[0] == 200
    assert next(connection.reader.chunks()) == b"4111111111111111\n"
    vault.write_config({**values, "clients": values["clients"][:1]})
    assert vault.reload()
    try:
        connection.send(wire.chunk(token.encode() + b"\n"))
    except OSError:
        pass
    assert b"4111111111111111" not in connection.reader.rest()
