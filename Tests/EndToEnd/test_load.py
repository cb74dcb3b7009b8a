"""Many connections at a time, reloads in the middle, nothing dropped."""
import collections
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

import cards
import strongroom
import wire

CONNECTIONS = 200


class Load:
    """Connections that make mixed calls until told to stop; every answer is checked against what was stored.

    A quarter each: single tokenize, single detokenize, batches both ways, bulk streams both ways.
    """

    def __init__(self, vault, connections, *, seed=1):
        self.vault = vault
        self.faults = []
        self.done = collections.Counter()
        self._stop = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(index, random.Random(seed * 1000 + index)))
            for index in range(connections)]

    def __enter__(self):
        threading.stack_size(256 << 10)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads), "a connection hangs"

    def _run(self, index, generator):
        unix = index % 3 == 0
        try:
            with self.vault.connect("checkout", unix=unix, timeout=60) as into, \
                    self.vault.connect("billing", unix=unix, timeout=60) as out:
                while not self._stop.is_set():
                    kind = ("single", "batch", "bulk", "pipelined")[generator.randrange(4)]
                    getattr(self, "_" + kind)(into, out, generator)
                    self.done[kind] += 1
        except Exception as error:  # noqa: BLE001: whatever goes wrong on any thread is the test's fault to report
            self.faults.append(f"connection {index}: {type(error).__name__}: {error}")

    def _single(self, into, out, generator):
        pan = cards.random_pan(generator.randrange(12, 20), generator=generator)
        answer = into.exchange("/v1/tokenize", {"pan": pan})
        assert answer.status == 200, answer
        token = answer.json()["token"]
        answer = out.exchange("/v1/detokenize", {"purpose": "charge", "token": token})
        assert answer.json() == {"pan": pan}, answer

    def _batch(self, into, out, generator):
        pans = [cards.random_pan(generator=generator) for _ in range(20)]
        answer = into.exchange("/v1/tokenize", {"cards": [{"pan": pan} for pan in pans]})
        assert answer.status == 200, answer
        tokens = [result["token"] for result in answer.json()["results"]]
        answer = out.exchange("/v1/detokenize", {"purpose": "refund", "tokens": tokens})
        assert [result["pan"] for result in answer.json()["results"]] == pans

    def _bulk(self, into, out, generator):
        pans = [cards.random_pan(generator=generator) for _ in range(100)]
        answer = into.exchange("/v1/tokenize", "\n".join(pans).encode(), type="text/plain")
        assert answer.trailers == {"strongroom-succeeded": "100", "strongroom-failed": "0"}, answer
        answer = out.exchange("/v1/detokenize", answer.body, type="text/plain", headers=["Strongroom-Purpose: charge"])
        assert answer.lines == pans

    def _pipelined(self, into, out, generator):
        pans = [cards.random_pan(generator=generator) for _ in range(5)]
        into.send(b"".join(wire.request("/v1/tokenize", {"pan": pan}) for pan in pans))
        tokens = [into.answer().json()["token"] for _ in pans]
        out.send(b"".join(
            wire.request("/v1/detokenize", {"purpose": "charge", "token": token}) for token in tokens))
        assert [out.answer().json()["pan"] for _ in pans] == pans


def test_two_hundred_connections_of_mixed_load_get_right_answers_only(vault):
    """100 pairs of clients, TCP and Unix, singles, batches, streams and pipelines for some seconds."""
    files = vault.open_files()
    with Load(vault, CONNECTIONS // 2) as load:
        time.sleep(5)
        peak = vault.metrics()["strongroom_connections"]
    assert load.faults == []
    assert peak >= CONNECTIONS
    assert len(load.done) == 4 and sum(load.done.values()) > 200, load.done
    print(f"{sum(load.done.values())} rounds on {CONNECTIONS} connections: {dict(load.done)}")
    for _ in range(100):
        if vault.metrics()["strongroom_connections"] == 0 and vault.open_files() <= files:
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"descriptors stay: {files} before, {vault.open_files()} after")


def test_reloads_under_load_drop_no_request(new_vault):
    """Configuration and certificates taken up twenty times by SIGHUP while 40 connections work: no answer is
    missing.
    """
    values = strongroom.settings()
    vault = new_vault(values)
    with Load(vault, 20, seed=2) as load:
        for round in range(20):
            level = "debug" if round % 2 else "info"
            vault.write_config({**values, "log": {"level": level}, "limits": {"batch_tokenize": 900 + round}})
            assert vault.reload()
            time.sleep(0.1)
    assert load.faults == []
    assert sum(load.done.values()) > 50
    assert vault.metrics()["strongroom_reloads_total"] == 20


def test_a_bad_configuration_at_reload_keeps_the_old_one_under_load(new_vault):
    """Each kind of mistake is refused with its place in the log, and the old rights hold all the time."""
    values = strongroom.settings()
    vault = new_vault(values)
    good = vault.config.read_text()
    mistakes = {
        "unknown key": good.replace('"map_size"', '"map_sise"'),
        "not YAML": good + "\n]",
        "empty": "",
        "needs a restart": good.replace('"data": "data"', '"data": "elsewhere"'),
        "missing certificate": good.replace("certs/server.crt", "certs/none.crt"),
        "format of a client": good.replace('"cards"\n      ]', '"card"\n      ]'),
    }
    with Load(vault, 10, seed=3) as load:
        for name, text in mistakes.items():
            vault.config.write_text(text)
            assert not vault.reload(), name
            assert vault.client("checkout").tokenize("4111111111111111")
        vault.config.write_text(good)
        assert vault.reload()
    assert load.faults == []
    assert vault.log.count("reload_refused") == len(mistakes)
    assert "did you mean 'map_size'" in vault.log


def test_a_reload_takes_up_rights_formats_and_purposes_on_open_connections(new_vault):
    """What is granted works at once, what is taken away stops at once, on connections that live on."""
    values = strongroom.settings()
    vault = new_vault(values)
    with vault.connect("billing") as billing, vault.connect("checkout") as checkout:
        token = checkout.exchange("/v1/tokenize", {"pan": "4111111111111111"}).json()["token"]
        ask = {"purpose": "dispute", "token": token}
        assert billing.exchange("/v1/detokenize", ask).outcome == (403, "purpose_denied")
        changed = strongroom.settings(
            listen=values["listen"], formats={"cards": {"keep": "last4"}, "new": {"keep": "none"}},
            clients=[
                strongroom.client("checkout", ["inspect", "tokenize"], ["cards", "new"]),
                strongroom.client("billing", ["detokenize"], ["cards"], ["dispute"])])
        vault.write_config(changed)
        assert vault.reload()
        assert billing.exchange("/v1/detokenize", ask).json() == {"pan": "4111111111111111"}
        assert billing.exchange("/v1/detokenize", {**ask, "purpose": "charge"}).outcome == (403, "purpose_denied")
        assert checkout.exchange("/v1/tokenize", {"pan": "4111111111111111", "format": "new"}).status == 200
        assert checkout.exchange("/v1/forget", {"token": token}).outcome == (403, "denied")
        vault.write_config({**changed, "clients": changed["clients"][:1]})
        assert vault.reload()
        assert billing.more(5) and billing.has_ended, "the connection of a client that is gone is closed"
        assert checkout.exchange("/v1/inspect", {"token": token}).status == 200


def test_certificates_turn_over_under_load(new_vault):
    """A new server certificate ten times while clients come and go: every handshake succeeds with one or the other."""
    vault = new_vault()
    certs = vault.directory / "certs"
    other = pathlib.Path(str(certs) + "-next")
    shutil.copytree(certs, other)
    subprocess.run(["bash", "-c", 'openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=next '
                    '-keyout next.key -out next.csr && openssl x509 -req -in next.csr -CA ca.crt -CAkey ca.key -days 9 '
                    '-extfile <(printf "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n") -out next.crt'],
                   cwd=other, check=True, capture_output=True)
    faults, stop, handshakes = [], threading.Event(), []

    def come_and_go():
        while not stop.is_set():
            try:
                with vault.connect("checkout", timeout=10) as connection:
                    assert connection.exchange("/v1/tokenize", {"pan": "4111111111111111"}).status == 200
                    handshakes.append(1)
            except Exception as error:  # noqa: BLE001
                faults.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for round in range(10):
        name, source = ("next", other) if round % 2 == 0 else ("server", other)
        shutil.copy(source / f"{name}.crt", certs / "server.crt")
        shutil.copy(source / f"{name}.key", certs / "server.key")
        assert vault.control("/v1/certs/reload", "POST")[0] == 200
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert faults == [] and len(handshakes) > 50


@pytest.mark.parametrize("flood", ["handshakes", "half-requests"])
def test_rude_clients_do_not_keep_others_from_being_served(vault, flood):
    """Three hundred half-open handshakes or half requests hang around; a good client is served in good time."""
    rude = []
    try:
        for _ in range(300):
            if flood == "handshakes":
                rude.append(vault.socket(timeout=5))
            else:
                connection = vault.connect("billing", timeout=10)
                connection.send(b"POST /v1/detokenize HTTP/1.1\r\nHost: v")
                rude.append(connection)
        begun = time.monotonic()
        client = vault.new_client("checkout")
        for _ in range(20):
            client.tokenize("4111111111111111")
        client.close()
        assert time.monotonic() - begun < 3
    finally:
        for connection in rude:
            connection.close()


def test_the_writer_queue_is_bounded_and_says_busy(new_vault):
    """A queue of one and many writers at the same moment: answers are 200 or `busy` with Retry-After, none is lost."""
    vault = new_vault(strongroom.settings(store={"map_size": "1GiB", "writer_queue": 1, "group_max": 1}))
    connections = [vault.connect("checkout") for _ in range(60)]
    pans = cards.make_pans(60 * 5)
    outcomes = collections.Counter()
    for start in range(5):
        for index, connection in enumerate(connections):
            connection.request("/v1/tokenize", {"pan": pans[start * 60 + index]})
        for connection in connections:
            answer = connection.answer()
            outcomes[answer.outcome] += 1
            if answer.status == 503:
                assert answer.headers["retry-after"] == "1"
    for connection in connections:
        connection.close()
    assert set(outcomes) == {(200, None), (503, "busy")}, outcomes
    assert vault.status()["store"]["tokens"] == outcomes[(200, None)]
    lines = "".join(pan + "\n" for pan in cards.make_pans(5000, prefix="520000")).encode()
    answers = vault.new_client("checkout").post("/v1/tokenize", lines, type="text/plain").lines
    assert len(answers) == 5000 and not any(answer.startswith("!") for answer in answers), "a stream waits instead"
