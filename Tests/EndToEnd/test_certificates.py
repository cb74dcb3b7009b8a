"""Certificates over their life: who a certificate is, reloads that are refused, connections that close, ends foreseen."""
import json
import pathlib
import re
import shutil
import ssl
import subprocess
import threading
import time

import pytest

import strongroom
import wire
from authority import Authority

PAN = "4111111111111111"


def prepared(new_vault):
    """A vault with a revocation list, not started yet."""
    values = strongroom.settings()
    values["tls"]["crl"] = "certs/ca.crl"
    made = new_vault(values, start=False, initialize=False)
    Authority(made.directory / "certs").list()
    made.initialize()
    return made


@pytest.fixture
def listed(new_vault):
    """With a revocation list."""
    made = prepared(new_vault)
    made.start()
    return made


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another authority of the same name, with its list."""
    directory = tmp_path_factory.mktemp("other") / "certs"
    subprocess.run([strongroom.MAKE_CERTS, directory], check=True)
    subprocess.run([strongroom.MAKE_CERTS, "--crl", directory], check=True)
    return directory


def certs(vault):
    return vault.directory / "certs"


def serves(vault, name="checkout", files=None):
    """Whether a new connection of a client is served; `files` has its certificate, and the authority it trusts."""
    files = files or certs(vault)
    context = ssl.create_default_context(cafile=str(files / "ca.crt"))
    context.load_cert_chain(files / f"{name}.crt", files / f"{name}.key")
    try:
        with wire.Connection(vault.socket(timeout=10), context) as connection:
            return connection.exchange("/v1/fingerprint", {"pan": PAN}).status in (200, 403)
    except (ssl.SSLError, ConnectionError, wire.ProtocolError, AttributeError):
        return False


# Who a certificate is


def whoami(vault, name):
    """200 for checkout (may tokenize), 403 for billing (may not), 401 for nobody."""
    with vault.connect(name) as connection:
        return connection.exchange("/v1/tokenize", {"pan": PAN}).status


def test_a_client_is_known_by_one_name_and_two_clients_names_are_nobodys(new_vault):
    """DNS, URI and key; several names of one client are fine; those of two are never a matter of order."""
    values = strongroom.settings()
    values["clients"].append({
        "name": "spiffe", "certificate": {"uri": "spiffe://vault.test/billing"}, "allow": ["tokenize"],
        "formats": ["cards"]})
    vault = new_vault(values)
    authority = Authority(certs(vault))
    authority.leaf("twice", "DNS:checkout.internal, DNS:elsewhere.internal, URI:spiffe://vault.test/unknown")
    authority.leaf("both", "DNS:checkout.internal, DNS:billing.internal")
    authority.leaf("reversed", "DNS:billing.internal, DNS:checkout.internal")
    authority.leaf("mixed", "DNS:checkout.internal, URI:spiffe://vault.test/billing")
    authority.leaf("uri", "URI:spiffe://vault.test/billing")
    authority.leaf("case", "URI:spiffe://vault.test/Billing")
    authority.leaf("upper", "DNS:CHECKOUT.internal")
    authority.leaf("wild", "DNS:*.internal")
    expected = {"twice": 200, "both": 401, "reversed": 401, "mixed": 401, "uri": 200, "case": 401, "upper": 200,
                "wild": 401}
    assert {name: whoami(vault, name) for name in expected} == expected


def test_a_key_goes_before_names(new_vault):
    """A certificate with checkout's name and a key that is configured is the key's client."""
    values = strongroom.settings()
    vault = new_vault(values, start=False)
    Authority(certs(vault)).leaf("keyed", "DNS:checkout.internal")
    key = subprocess.run(["openssl", "x509", "-in", certs(vault) / "keyed.crt", "-noout", "-pubkey"],
                         capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, capture_output=True, check=True)
    digest = subprocess.run(["sha256sum"], input=der.stdout, capture_output=True, check=True).stdout.split()[0].decode()
    values["clients"].append({
        "name": "keyed", "certificate": {"spki_sha256": digest}, "allow": ["inspect"], "formats": ["cards"]})
    vault.write_config(values)
    vault.start()
    assert whoami(vault, "keyed") == 403 and whoami(vault, "checkout") == 200


# Reloads that are refused


def garbage(vault, other, name):
    (certs(vault) / name).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def expired_server(vault, other):
    Authority(certs(vault)).leaf("server", "DNS:localhost, IP:127.0.0.1", usage="serverAuth", seconds=-60)


REFUSED = {
    "the key does not fit": lambda vault, other: shutil.copy(other / "server.key", certs(vault) / "server.key"),
    "the key is missing": lambda vault, other: (certs(vault) / "server.key").unlink(),
    "everybody may read the key": lambda vault, other: (certs(vault) / "server.key").chmod(0o644),
    "the certificate is rubbish": lambda vault, other: garbage(vault, other, "server.crt"),
    "the certificate has expired": expired_server,
    "the certificate is not yet valid": lambda vault, other: Authority(certs(vault)).leaf(
        "server", "DNS:localhost, IP:127.0.0.1", usage="serverAuth", begin=86_400, seconds=86_400 * 2),
    "the certificate is a client's": lambda vault, other: Authority(certs(vault)).leaf("server", "DNS:localhost"),
    "the certificate has no names": lambda vault, other: Authority(certs(vault)).leaf("server", "", usage="serverAuth"),
    "the authority is rubbish": lambda vault, other: garbage(vault, other, "ca.crt"),
    "the authority is none": lambda vault, other: shutil.copy(certs(vault) / "server.crt", certs(vault) / "ca.crt"),
    "the list is missing": lambda vault, other: (certs(vault) / "ca.crl").unlink(),
    "the list is empty": lambda vault, other: (certs(vault) / "ca.crl").write_text(""),
    "the list is of another authority": lambda vault, other: shutil.copy(other / "ca.crl", certs(vault) / "ca.crl"),
    "the list is out of date": lambda vault, other: Authority(certs(vault)).list(seconds=-60),
    "the list is of tomorrow": lambda vault, other: Authority(certs(vault)).list(begin=86_400, seconds=86_400 * 2),
    "there are two lists": lambda vault, other: (certs(vault) / "ca.crl").write_bytes(
        (certs(vault) / "ca.crl").read_bytes() * 2),
}


def test_a_reload_with_anything_wrong_is_refused_and_changes_nothing(listed, other):
    """Each file in each way, by `certs reload` and by SIGHUP; old connections and new ones go on as before."""
    good = pathlib.Path(f"{certs(listed)}-good")
    shutil.copytree(certs(listed), good)
    serial = listed.status()["certificates"][0]["serial"]
    failures = listed.metrics()["strongroom_reload_failures_total"]
    with listed.connect("checkout") as old:
        for what, spoil in REFUSED.items():
            spoil(listed, other)
            status, body = listed.control("/v1/certs/reload", "POST")
            assert status == 422, (what, status, body)
            assert b"tls: " in body and str(certs(listed)).encode() in body, (what, body)
            assert not listed.reload(), what
            assert old.exchange("/v1/tokenize", {"pan": PAN}).status == 200, what
            assert serves(listed, files=good), what
            assert listed.status()["certificates"][0]["serial"] == serial
            shutil.rmtree(certs(listed))
            shutil.copytree(good, certs(listed))
        assert listed.metrics()["strongroom_reload_failures_total"] == failures + 2 * len(REFUSED)
        assert listed.control("/v1/certs/reload", "POST")[0] == 200
        assert old.exchange("/v1/tokenize", {"pan": PAN}).status == 200


@pytest.mark.parametrize("what", ["the certificate has expired", "the list is out of date", "the list is missing"])
def test_a_daemon_does_not_start_on_what_a_reload_refuses(new_vault, other, what):
    """Fail closed from the first moment."""
    vault = prepared(new_vault)
    REFUSED[what](vault, other)
    code, log = vault.fail_to_start()
    assert code == 78 and "strongroom.yaml:" in log and "tls." in log


# Connections that close


class Busy:
    """Connections of one client in every state there is, on one listener."""

    def __init__(self, vault, unix):
        token = vault.client("checkout").tokenize(PAN)
        self.idle, self.half, self.stream, self.writing = (
            vault.connect("checkout", unix=unix) for _ in range(4))
        for connection in self.all:
            assert connection.exchange("/v1/inspect", {"token": token}).status == 200
        head = "Host: v\r\nContent-Type: {}\r\n"
        self.half.send(f"POST /v1/tokenize HTTP/1.1\r\n{head.format('application/json')}Content-Length: 99\r\n\r\n{{"
                       .encode())
        self.stream.send(f"POST /v1/tokenize HTTP/1.1\r\n{head.format('text/plain')}Transfer-Encoding: chunked\r\n\r\n"
                         .encode() + wire.chunk(f"{PAN}\n".encode() * 10))
        assert self.stream.more(10), "the first lines are answered while the upload runs"
        # The writer has one of its requests at any moment.
        self.written = 0
        self._writer = threading.Thread(target=self._write)
        self._writer.start()
        deadline = time.monotonic() + 10
        while self.written < 40:
            assert time.monotonic() < deadline, "writes are answered"
            time.sleep(0.005)

    def _write(self):
        requests = wire.request("/v1/tokenize", {"pan": PAN}) * 20
        try:
            while True:
                self.writing.send(requests)
                for _ in range(20):
                    if self.writing.answer() is None:
                        return
                    self.written += 1
        except (OSError, wire.ProtocolError):
            pass

    @property
    def all(self):
        return [self.idle, self.half, self.stream, self.writing]

    def end_within(self, seconds):
        deadline = time.monotonic() + seconds
        self._writer.join(seconds)
        assert not self._writer.is_alive(), "the connection that writes lives on"
        for connection in self.all[:3]:
            while not connection.has_ended:
                left = deadline - time.monotonic()
                assert left > 0, "a connection lives on"
                connection.more(left)
        for connection in self.all:
            connection.close()


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("how", ["revoked", "unlisted"])
def test_connections_close_within_a_second_of_the_reload(listed, how, unix):
    """Idle, in the middle of a body, of a stream, and while the writer has the request; others' go on."""
    with listed.connect("billing", unix=unix) as neighbour:
        assert neighbour.exchange("/v1/inspect", {"token": "9912345678901230"}).status == 404
        busy = Busy(listed, unix)
        if how == "revoked":
            Authority(certs(listed)).revoke("checkout")
            Authority(certs(listed)).list()
            assert listed.control("/v1/certs/reload", "POST")[0] == 200
        else:
            listed.values["clients"] = listed.values["clients"][1:]
            listed.write_config()
            assert listed.control("/v1/config/reload", "POST")[0] == 200
        busy.end_within(1.0)
        assert neighbour.exchange("/v1/inspect", {"token": "9912345678901230"}).status == 404
    if how == "revoked":
        assert not serves(listed)
    else:
        assert whoami(listed, "checkout") == 401
    assert listed.is_running


def test_a_list_that_changed_on_disk_counts_from_the_reload_on(listed):
    """Not before: a half-written file does no harm."""
    Authority(certs(listed)).revoke("checkout")
    Authority(certs(listed)).list()
    with listed.connect("checkout") as connection:
        assert connection.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        assert listed.control("/v1/certs/reload", "POST")[0] == 200
        assert connection.more(1) and connection.has_ended
    assert not serves(listed)


def test_a_certificate_revoked_during_its_handshake_is_not_let_in(listed):
    """The hello was answered under the old list, the certificate comes after the reload."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = listed.tls_context("checkout").wrap_bio(incoming, outgoing, server_hostname="localhost")
    with listed.socket(timeout=5) as plain:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        plain.sendall(outgoing.read())
        while True:
            # The server's flight may come in pieces; the client's certificate is what it then wants to send.
            incoming.write(plain.recv(65536))
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
        certificate = outgoing.read()
        Authority(certs(listed)).revoke("checkout")
        Authority(certs(listed)).list()
        assert listed.control("/v1/certs/reload", "POST")[0] == 200
        tls.write(wire.request("/v1/tokenize", {"pan": PAN}))
        plain.sendall(certificate + outgoing.read())
        answer = b""
        try:
            while received := plain.recv(65536):
                incoming.write(received)
            while received := tls.read():
                answer += received
        except (ssl.SSLError, OSError):
            pass
        assert answer == b""
    assert listed.metrics()["strongroom_tokens_made_total"] == 0


def test_a_certificate_and_a_list_that_end_take_their_connections_with_them(listed):
    """In use, without a reload: first a client's certificate, then the list of the authority."""
    authority = Authority(certs(listed))
    authority.leaf("brief", "DNS:checkout.internal", seconds=4)
    with listed.connect("brief") as brief, listed.connect("checkout") as long:
        assert brief.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        assert brief.more(8) and brief.has_ended
        assert long.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        assert not serves(listed, "brief")
        authority.list(seconds=3)
        assert listed.control("/v1/certs/reload", "POST")[0] == 200
        assert long.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        assert long.more(8) and long.has_ended
    assert not serves(listed), "an outdated list lets no one in"
    [term] = [term for term in listed.status()["certificates"] if term["kind"] == "crl"]
    assert term["near_end"]
    authority.list()
    assert listed.control("/v1/certs/reload", "POST")[0] == 200
    assert serves(listed)


# Ends foreseen


def terms(vault):
    return {term["kind"]: term for term in vault.status()["certificates"]}


def test_ends_are_seen_ahead_in_status_metrics_and_log(listed):
    """Nothing is said of what is far; all is said of what is near, once."""
    assert not any(term["near_end"] for term in terms(listed).values())
    assert listed.metrics()["strongroom_certificates_near_end"] == 0
    assert "certificate_near_its_end" not in listed.log
    listed.values["tls"] |= {"warn": "100d", "crl_warn": "40d"}
    listed.write_config()
    assert listed.reload()
    assert listed.client("checkout").tokenize(PAN)
    assert set(terms(listed)) == {"server", "client_ca", "crl", "client"}
    assert all(term["near_end"] for term in terms(listed).values())
    metrics = listed.metrics()
    assert metrics["strongroom_certificates_near_end"] == 4
    left = metrics['strongroom_certificate_expiry_seconds{kind="client",name="checkout"}']
    assert 89 * 86_400 < left <= 90 * 86_400
    assert 29 * 86_400 < metrics[
        'strongroom_certificate_expiry_seconds{kind="crl",name="/CN=Strongroom throwaway CA"}'] <= 30 * 86_400
    assert listed.reload()
    said = [line for line in listed.log.splitlines() if "certificate_near_its_end" in line]
    assert sorted(kind for line in said for kind in ("server", "client_ca", "crl", "client")
                  if f'kind="{kind}"' in line) == ["client", "client_ca", "crl", "server"], said
    status = subprocess.run([strongroom.COMMAND, "status", "--config", listed.config], capture_output=True, text=True)
    assert re.search(r"client checkout ends in (89|90) d", status.stdout), status.stdout
    assert re.search(r"crl \S+/ca.crl ends in (29|30) d", status.stdout), status.stdout


def test_the_certificate_that_a_client_showed_last_is_known(listed):
    """Serial, end and key; another one takes its place; a client that is gone is forgotten."""
    def seen():
        clients = json.loads(listed.control("/v1/clients")[1])
        return {client["name"]: client["seen"] for client in clients}

    assert seen() == {"checkout": None, "billing": None}
    assert listed.client("checkout").tokenize(PAN)
    first = seen()["checkout"]
    serial = subprocess.run(["openssl", "x509", "-in", certs(listed) / "checkout.crt", "-noout", "-serial"],
                            capture_output=True, text=True, check=True).stdout.strip().removeprefix("serial=")
    assert first["serial"] == serial and seen()["billing"] is None
    Authority(certs(listed)).leaf("checkout", "DNS:checkout.internal", seconds=86_400 * 5)
    with listed.connect("checkout") as connection:
        assert connection.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        second = seen()["checkout"]
        assert second["serial"] != serial and second["spki_sha256"] != first["spki_sha256"]
        assert abs(second["not_after"] - time.time() - 86_400 * 5) < 60
    assert terms(listed)["client"]["near_end"]
    table = subprocess.run([strongroom.COMMAND, "clients", "list", "--config", listed.config], capture_output=True,
                           text=True).stdout
    assert re.search(r"checkout\.internal +[45] d ", table) and "bin,last4" in table, table
    listed.values["clients"] = listed.values["clients"][1:]
    listed.write_config()
    assert listed.reload()
    assert seen() == {"billing": None} and "client" not in terms(listed)


@pytest.mark.parametrize("option,value", [
    ("warn", "0d"), ("warn", "10"), ("warn", "3000d"), ("crl_warn", "soon"), ("crl_warn", "1s"), ("wran", "30d")])
def test_nonsense_is_an_error_with_its_line(new_vault, option, value):
    """As any option's."""
    values = strongroom.settings()
    values["tls"][option] = value
    code, output = new_vault(values, start=False, initialize=False).check_config()
    assert code == 78 and f"tls.{option}" in output and "strongroom.yaml:" in output
