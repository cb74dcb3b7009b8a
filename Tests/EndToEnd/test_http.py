"""HTTP as clients use it: keep-alive, pipelining, chunks, 100-continue, half-close; and the deadlines of a
connection.
"""
import threading
import time

import pytest

import strongroom
import wire

PAN = "4111111111111111"


@pytest.fixture(scope="module")
def token(vault):
    return vault.client("checkout").tokenize(PAN)


def detokenize(token, *headers):
    return wire.request("/v1/detokenize", {"purpose": "charge", "token": token}, headers=headers)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_a_connection_serves_many_requests(vault, token, unix):
    """Five hundred in turn on one connection, reads and writes mixed, without another connection being made."""
    before = vault.metrics()["strongroom_connections_total"]
    with vault.connect("billing", unix=unix) as billing, vault.connect("checkout", unix=unix) as checkout:
        for _ in range(250):
            billing.send(detokenize(token))
            assert billing.answer().json() == {"pan": PAN}
            assert checkout.exchange("/v1/tokenize", {"pan": PAN}).json()["token"] == token
    assert vault.metrics()["strongroom_connections_total"] == before + 2


def test_pipelined_reads_and_writes_are_answered_in_order(vault):
    """A write waits for the disk; a cheap request behind it must not overtake it. One hundred in one piece."""
    pans = [f"510000{index:09d}" for index in range(50)]
    with vault.connect("checkout") as connection:
        connection.send(b"".join(
            wire.request("/v1/tokenize", {"pan": PAN, "reference": f"r{index}"})
            + wire.request("/v1/nothing", pan.encode())
            for index, pan in enumerate(pans)))
        for index in range(50):
            assert connection.answer().json()["reference"] == f"r{index}"
            assert connection.answer().outcome == (404, "not_found")


def test_pipelining_without_reading_is_stopped_by_flow_control(vault, token):
    """A client that sends and never reads cannot make the daemon hold its answers: memory stays, the upload stops."""
    request = detokenize(token) * 1000
    before = vault.memory()
    sent = []
    connection = vault.connect("billing", timeout=4)

    def flood():
        try:
            for _ in range(400):
                connection.send(request)
                sent.append(1)
        except OSError:
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    thread.join(6)
    assert len(sent) < 400, "68 MB of requests were taken in while no answer was read"
    assert vault.memory() < before + (24 << 20)
    connection.abort()
    thread.join()


def test_a_chunked_body_is_taken_whatever_its_chunks(vault, token):
    """One byte each, extensions, trailers, upper-case sizes; the answer is the same."""
    body = b'{"purpose":"charge","token":"%s"}' % token.encode()
    head = wire.request("/v1/detokenize").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with vault.connect("billing") as connection:
        for chunks in (
            wire.chunk(body), b"".join(wire.chunk(body[index : index + 1]) for index in range(len(body))),
            b"%X;name=value\r\n%s\r\n" % (len(body), body), b"000%x\r\n%s\r\n" % (len(body), body),
        ):
            for end in (b"0\r\n\r\n", b"0\r\nX-Checksum: 1\r\n\r\n"):
                connection.send(head + chunks + end)
                assert connection.answer().json() == {"pan": PAN}


def test_100_continue_is_sent_when_it_is_waited_for(vault, token):
    """The interim answer comes before the body; a refused head gets its refusal instead, at once."""
    request = detokenize(token, "Expect: 100-continue")
    head, body = request.split(b"\r\n\r\n")
    with vault.connect("billing", timeout=5) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.reader.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(body)
        assert connection.answer().json() == {"pan": PAN}
        connection.send(request)
        answer = connection.answer()
        assert answer.json() == {"pan": PAN} and answer.interim == [100]
    for broken, expected in (
        (head.replace(b"/v1/detokenize", b"/v1/nothing"), (404, "not_found")),
        (head.replace(b"/v1/detokenize", b"/v1/tokenize"), (403, "denied")),
        (head.replace(b"application/json", b"text/html"), (415, "unsupported_media_type")),
        (head.replace(b"Content-Length: ", b"Content-Length: 99999"), (413, "too_large")),
    ):
        with vault.connect("billing", timeout=5) as connection:
            connection.send(broken + b"\r\n\r\n")
            answer = connection.answer()
            assert answer.outcome == expected and answer.interim == [], broken


def test_curl_speaks_to_the_vault_on_both_listeners(vault, token):
    """The call of the README, with and without a Unix socket; a problem is shown with its status."""
    body = f'{{"purpose":"charge","token":"{token}"}}'
    for unix in (False, True):
        done = vault.curl(
            "/v1/detokenize", "-H", "Content-Type: application/json", "-d", body, name="billing", unix=unix)
        assert done.stdout == b'{"pan":"4111111111111111"}', done.stderr
        done = vault.curl("/v1/detokenize", "--fail", "-H", "Content-Type: application/json", "-d", body, unix=unix)
        assert done.returncode == 22 and b"403" in done.stderr
    done = vault.curl("/v1/detokenize", "--http2", "-H", "Content-Type: application/json", "-d", body, name="billing")
    assert done.stdout == b'{"pan":"4111111111111111"}', "a client that offers HTTP/2 falls back to 1.1"


@pytest.mark.parametrize("call", ["detokenize", "tokenize", "pipelined"])
def test_a_client_that_half_closes_after_its_request_gets_its_answer(vault, token, call):
    """For a read, for a write that waits for the disk, and for several."""
    name = "checkout" if call == "tokenize" else "billing"
    with vault.connect(name, timeout=10) as connection:
        if call == "tokenize":
            connection.request("/v1/tokenize", {"pan": PAN})
        else:
            connection.send(detokenize(token) * (20 if call == "pipelined" else 1))
        connection.half_close()
        for _ in range(20 if call == "pipelined" else 1):
            assert connection.answer().status == 200
        assert connection.answer() is None


def test_writes_pipelined_before_a_half_close_are_all_answered(vault):
    """Twenty writes in one piece, then FIN: twenty answers."""
    with vault.connect("checkout", timeout=10) as connection:
        connection.send(wire.request("/v1/tokenize", {"pan": PAN}) * 20)
        connection.half_close()
        assert [connection.answer().status for _ in range(20)] == [200] * 20
        assert connection.answer() is None


def test_connections_are_closed_when_the_client_says_so(vault, token):
    """Connection: close, in any case, also beside others; the answer says so too."""
    for value in ("close", "Close", "keep-alive, close", "TE, close"):
        with vault.connect("billing") as connection:
            connection.send(detokenize(token, f"Connection: {value}"))
            answer = connection.answer()
            assert answer.status == 200 and answer.headers["connection"] == "close"
            assert connection.answer() is None and connection.ended_with_notice


@pytest.fixture(scope="module")
def hasty():
    """A vault with short deadlines."""
    values = strongroom.settings(
        timeouts={
            "handshake": "1s", "header": "1s", "body": "2s", "body_rate": "10KiB", "idle": "2s", "write_stall": "2s"},
        limits={"connection_age": "4s"})
    with strongroom.Vault(values) as made:
        yield made
        assert made.is_running and made.stop() == 0, made.log[-4000:]


def ends_within(connection, least, most):
    """Waits for the server to end a connection and checks when it did."""
    begun = time.monotonic()
    assert connection.more(most + 1) and (connection.has_ended or connection.reader.buffer)
    assert least <= time.monotonic() - begun <= most


def test_a_handshake_that_does_not_come_to_an_end_is_cut(hasty):
    """Silence, and half a hello: closed after the deadline, without a byte."""
    for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with hasty.socket(timeout=5) as plain:
            plain.sendall(data)
            begun = time.monotonic()
            assert len(plain.recv(100)) <= 7
            assert 0.8 <= time.monotonic() - begun <= 3


def test_an_idle_connection_is_closed_without_a_word(hasty):
    """Nothing to answer, so nothing is said."""
    with hasty.connect("billing") as connection:
        ends_within(connection, 1.5, 4)
        assert connection.reader.buffer == b""


@pytest.mark.parametrize("drip", [False, True], ids=["stalls", "drips"])
def test_a_slow_header_is_answered_408(hasty, drip):
    """One second from its first byte, whether nothing more comes or a byte now and then."""
    with hasty.connect("billing", timeout=6) as connection:
        connection.send(b"POST /v1/detokenize HTTP/1.1\r\n")
        begun = time.monotonic()
        while drip and not connection.more(0.3):
            connection.send(b"X")
        answer = connection.answer()
        assert answer.outcome == (408, "request_timeout") and answer.headers["connection"] == "close"
        assert 0.8 <= time.monotonic() - begun <= 3.5
        assert connection.answer() is None


@pytest.mark.parametrize("drip", [False, True], ids=["stalls", "drips"])
def test_a_slow_json_body_is_answered_408(hasty, drip):
    """Two seconds from the header."""
    with hasty.connect("billing", timeout=6) as connection:
        connection.send(wire.request("/v1/detokenize").replace(b"Length: 0", b"Length: 100") + b"{")
        begun = time.monotonic()
        while drip and not connection.more(0.3):
            connection.send(b" ")
        assert connection.answer().outcome == (408, "request_timeout")
        assert 1.5 <= time.monotonic() - begun <= 4.5
        assert connection.answer() is None


def test_a_bulk_upload_slower_than_the_least_rate_is_cut_and_a_faster_one_is_not(hasty):
    """At 10 KiB a second least: a line now and then is cut; twice the rate runs past every other deadline."""
    token = hasty.new_client("checkout").tokenize(PAN)
    head = wire.request("/v1/detokenize", type="text/plain", headers=["Strongroom-Purpose: charge"]).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with hasty.connect("billing", timeout=6) as slow:
        slow.send(head + wire.chunk(token.encode() + b"\n"))
        begun = time.monotonic()
        with pytest.raises((wire.ProtocolError, OSError)):
            slow.reader.head()
            while True:
                slow.send(wire.chunk(token.encode() + b"\n"))
                time.sleep(0.2)
                slow.more(0.01)
                assert time.monotonic() - begun < 8
                if slow.has_ended:
                    list(slow.reader.chunks())
    with hasty.connect("billing", timeout=6) as fast:
        fast.send(head)
        block = (token + "\n").encode() * 240
        for _ in range(30):
            fast.send(wire.chunk(block))
            time.sleep(0.2)
        fast.send(b"0\r\n\r\n")
        assert len(fast.answer().lines) == 30 * 240


def test_a_reader_that_stalls_is_cut(hasty):
    """Answers that no one reads for the stall time end the connection; the daemon holds nothing for it."""
    token = hasty.new_client("checkout").tokenize(PAN)
    before = hasty.metrics()["strongroom_connections"]
    with hasty.connect("billing", timeout=3) as connection:
        try:
            for _ in range(200):
                connection.send(detokenize(token) * 1000)
        except OSError:
            pass
        for _ in range(100):
            if hasty.metrics()["strongroom_connections"] <= before:
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the stalled connection stays")


def test_a_client_that_pipelines_and_reads_late_gets_every_answer(new_vault):
    """While the vault waits for its reader it does not read, and no deadline for requests runs against the client."""
    vault = new_vault(strongroom.settings(
        timeouts={"header": "1s", "body": "1s", "idle": "2s", "write_stall": "20s"}))
    token = vault.client("checkout").tokenize(PAN)
    count = 100_000
    with vault.connect("billing", timeout=20) as connection:
        requests = detokenize(token) * 1000
        sender = threading.Thread(target=lambda: [connection.send(requests) for _ in range(count // 1000)])
        sender.start()
        time.sleep(5)
        for serial in range(count):
            answer = connection.answer()
            assert answer is not None and answer.status == 200, (serial, answer)
        sender.join()


def test_an_old_connection_is_closed_behind_an_answer(hasty):
    """So that certificates are seen anew: after four seconds the next answer is the last, and it is whole."""
    token = hasty.new_client("checkout").tokenize(PAN)
    with hasty.connect("billing") as connection:
        begun = time.monotonic()
        while True:
            connection.send(detokenize(token))
            answer = connection.answer()
            assert answer.json() == {"pan": PAN}
            if answer.headers.get("connection") == "close":
                break
            assert time.monotonic() - begun < 6
            time.sleep(0.1)
        assert time.monotonic() - begun >= 3.5
        assert connection.answer() is None


def test_connections_over_the_limit_are_closed_and_counted(new_vault):
    """Three are allowed; the fourth is closed at once; when one goes another may come."""
    vault = new_vault(strongroom.settings(limits={"connections": 3}))
    held = [vault.connect("checkout") for _ in range(3)]
    with pytest.raises((OSError, EOFError)):
        vault.connect("checkout", timeout=5)
    assert vault.metrics()["strongroom_connections_refused_total"] >= 1
    held[0].close()
    for _ in range(50):
        try:
            extra = vault.connect("checkout", timeout=5)
            break
        except OSError:
            time.sleep(0.05)
    assert extra.exchange("/v1/tokenize", {"pan": PAN}).status == 200
    assert held[1].exchange("/v1/tokenize", {"pan": PAN}).status == 200
    for connection in (*held[1:], extra):
        connection.close()


def test_configured_limits_hold(new_vault):
    """Smaller batches, bodies and headers than the defaults, exactly."""
    vault = new_vault(strongroom.settings(
        limits={"json_body": "4KiB", "header_bytes": "1KiB", "batch_tokenize": 2, "batch_detokenize": 3}))
    token = vault.client("checkout").tokenize(PAN)
    checkout, billing = vault.client("checkout"), vault.client("billing")
    assert len(checkout.tokenize_all([PAN] * 2)) == 2
    assert checkout.post("/v1/tokenize", {"cards": [{"pan": PAN}] * 3}).outcome == (413, "too_large")
    assert len(billing.detokenize_all([token] * 3)) == 3
    assert billing.post("/v1/detokenize", {"purpose": "charge", "tokens": [token] * 4}).outcome == (413, "too_large")
    padded = b'{"pan":"4111111111111111"}'.ljust(4096)
    assert checkout.post("/v1/tokenize", padded).status == 200
    assert checkout.post("/v1/tokenize", padded + b" ").outcome == (413, "too_large")
    with vault.connect("checkout") as connection:
        connection.send(wire.request("/v1/tokenize", {"pan": PAN}, headers=["X: " + "y" * 700]))
        assert connection.answer().status == 200
        connection.send(wire.request("/v1/tokenize", {"pan": PAN}, headers=["X: " + "y" * 1100]))
        answer = connection.answer()
        assert answer.status in (400, 413, 431) and connection.answer() is None
