"""TLS: 1.3 only, client certificates only, nothing resumed; judged by Python's ssl and by openssl s_client."""
import pathlib
import shutil
import socket
import ssl
import subprocess
import time

import pytest

import strongroom
import wire

PAN = "4111111111111111"


def refused(vault, context, unix=False):
    """Whether a handshake with this context, or the first read behind it, fails. TLS 1.3 tells the client late."""
    try:
        with wire.Connection(vault.socket(unix=unix, timeout=10), context) as connection:
            connection.request("/v1/tokenize", {"pan": PAN})
            return connection.answer() is None
    except (ssl.SSLError, ConnectionError, wire.ProtocolError):
        return True


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory):
    """Certificates of another authority, with the same names."""
    directory = tmp_path_factory.mktemp("other") / "certs"
    subprocess.run([strongroom.MAKE_CERTS, directory], check=True)
    return directory


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_who_has_no_good_certificate_gets_no_answer(vault, other_authority, unix):
    """None, one of another authority with the right name, an expired one, a server's: refused in the handshake,
    counted.
    """
    before = vault.metrics()["strongroom_handshake_failures_total"]
    assert not refused(vault, vault.tls_context("checkout"), unix)
    assert refused(vault, vault.tls_context(None), unix), "without a certificate"
    assert refused(vault, vault.tls_context("checkout", other_authority), unix), "another authority"
    assert refused(vault, vault.tls_context("late"), unix), "expired"
    assert refused(vault, vault.tls_context("server"), unix), "extended key usage serverAuth"
    time.sleep(0.1)
    assert vault.metrics()["strongroom_handshake_failures_total"] >= before + 4


def test_a_self_signed_certificate_with_the_right_name_is_refused(vault, tmp_path):
    """The name is worth nothing without the authority."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=checkout", "-addext", "subjectAltName=DNS:checkout.internal", "-addext",
         "extendedKeyUsage=clientAuth", "-keyout", tmp_path / "self.key", "-out", tmp_path / "self.crt"],
        check=True, capture_output=True)
    assert refused(vault, vault.tls_context("self", tmp_path))


def test_a_common_name_is_no_identity(vault, tmp_path):
    """Signed by the authority, CN=checkout.internal, no alternative name: no client."""
    certs = vault.directory / "certs"
    (tmp_path / "ext").write_text("extendedKeyUsage=clientAuth\nbasicConstraints=CA:false\n")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=checkout.internal", "-keyout", tmp_path / "cn.key", "-out", tmp_path / "cn.csr"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", tmp_path / "cn.csr", "-CA", certs / "ca.crt", "-CAkey",
                    certs / "ca.key", "-days", "1", "-extfile", tmp_path / "ext", "-out", tmp_path / "cn.crt"],
                   check=True, capture_output=True)
    with wire.Connection(vault.socket(), vault.tls_context("cn", tmp_path)) as connection:
        assert connection.exchange("/v1/tokenize", {"pan": PAN}).outcome == (401, "unknown_client")


def test_older_versions_of_tls_are_refused(vault):
    """1.2 fails in the handshake, and so do clients that offer only still older ones."""
    context = vault.tls_context("checkout")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        wire.Connection(vault.socket(timeout=10), context)
    for version in ("-tls1", "-tls1_1", "-tls1_2"):
        done = s_client(vault, version, "-cipher", "DEFAULT@SECLEVEL=0")
        assert "Cipher is (NONE)" in done.stdout or done.returncode != 0, version


def s_client(vault, *arguments, name="checkout", input=""):
    certs = vault.directory / "certs"
    command = ["openssl", "s_client", "-connect", "{}:{}".format(*vault.address), "-CAfile", certs / "ca.crt",
               "-servername", "localhost", "-verify_return_error", *arguments]
    if name:
        command += ["-cert", certs / f"{name}.crt", "-key", certs / f"{name}.key"]
    return subprocess.run(command, input=input, capture_output=True, text=True, timeout=20)


REQUEST = wire.request("/v1/tokenize", {"pan": PAN}, headers=["Connection: close"]).decode()


def test_openssl_sees_tls_1_3_a_strong_suite_and_no_ticket(vault):
    """The session as the reference client reports it; a whole request over it, with no session ticket before or
    after.
    """
    done = s_client(vault, "-ign_eof", "-msg", input=REQUEST)
    assert "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in done.stdout, done.stdout
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "HTTP/1.1 200 OK" in done.stdout
    assert "NewSessionTicket" not in done.stdout and "Post-Handshake New Session Ticket" not in done.stdout
    assert "Reused" not in done.stdout and "Early data was not sent" in done.stdout


@pytest.mark.parametrize("suite,accepted", [
    ("TLS_AES_256_GCM_SHA384", True), ("TLS_CHACHA20_POLY1305_SHA256", True), ("TLS_AES_128_GCM_SHA256", True),
    ("TLS_AES_128_CCM_SHA256", False), ("TLS_AES_128_CCM_8_SHA256", False)])
def test_only_the_named_cipher_suites_are_taken(vault, suite, accepted):
    """Three of TLS 1.3's five."""
    done = s_client(vault, "-ign_eof", "-ciphersuites", suite, input=REQUEST)
    assert ("HTTP/1.1 200 OK" in done.stdout) == accepted


@pytest.mark.parametrize("group,accepted", [
    ("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False), ("ffdhe2048", False), ("X448", False)])
def test_only_the_named_groups_are_taken(vault, group, accepted):
    """X25519, P-256 and P-384."""
    done = s_client(vault, "-ign_eof", "-groups", group, input=REQUEST)
    assert ("HTTP/1.1 200 OK" in done.stdout) == accepted


def test_a_session_is_never_resumed(vault, tmp_path):
    """Nothing to resume with, and a second connection is a full handshake."""
    session = tmp_path / "session"
    s_client(vault, "-ign_eof", "-sess_out", session, input=REQUEST)
    assert not session.exists() or session.stat().st_size == 0
    with vault.connect("checkout") as connection:
        assert connection.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        assert connection._tls.session is None or not connection._tls.session.has_ticket


#: All that a client without TLS is ever told.
HINT = b'{"code":"malformed","status":400,"title":"This port speaks TLS 1.3 with client certificates"}'


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_a_client_that_forgot_tls_is_told_so_and_nothing_else(vault, unix):
    """One fixed answer in the clear, the same for every request, and the end. No call is made."""
    before = vault.metrics()["strongroom_tokens_made_total"]
    replies = set()
    for data in (wire.request("/v1/tokenize", {"pan": PAN}), b"GET / HTTP/1.0\r\n\r\n", b"POST / HTTP/1.1\r\nA: b\r\n"):
        with vault.socket(unix=unix, timeout=15) as plain:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            replies.add(wire.AnswerReader(plain.recv).rest())
    [reply] = replies
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n") and reply.endswith(b"\r\n\r\n" + HINT)
    assert vault.metrics()["strongroom_tokens_made_total"] == before


def test_rubbish_on_the_tls_port_gets_an_alert_at_most(vault):
    """Bytes of no protocol, of older ones and of others."""
    for data in (b"\x00" * 1000, b"\x16\x03\x01\xff\xff" + b"A" * 70_000, b"\x80\x2e\x01\x00\x02", b"SSH-2.0-x\r\n",
                 b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x15\x03\x03\x00\x02\x02\x28", b"\n" * 100,
                 b"DELETE /v1/x HTTP/1.1\r\n\r\n"):
        with vault.socket(timeout=15) as plain:
            try:
                plain.sendall(data)
                plain.shutdown(socket.SHUT_WR)
                reply = plain.recv(4096)
            except OSError:
                reply = b""
        assert len(reply) <= 7, (data[:20], reply)
    assert vault.client("checkout").tokenize(PAN)


def test_records_of_one_byte_and_tcp_segments_of_one_byte_are_served(vault):
    """A handshake and a request dripped byte by byte over TCP."""
    class Dripping:
        def __init__(self, plain):
            self.plain = plain

        def sendall(self, data):
            for index in range(len(data)):
                self.plain.sendall(data[index : index + 1])

        def __getattr__(self, name):
            return getattr(self.plain, name)

    with wire.Connection(Dripping(vault.socket()), vault.tls_context()) as connection:
        for byte in wire.request("/v1/tokenize", {"pan": PAN}):
            connection.send(bytes([byte]))
        assert connection.answer().status == 200


def test_the_end_of_a_connection_is_announced(vault):
    """close_notify comes before FIN, so that a client can tell an end from a cut."""
    with vault.connect("checkout") as connection:
        connection.request("/v1/tokenize", {"pan": PAN}, headers=["Connection: close"])
        assert connection.answer().status == 200 and connection.answer() is None
        assert connection.ended_with_notice


def test_a_revoked_certificate_is_refused_and_its_open_connections_close(new_vault):
    """A CRL taken up by a reload; one that is outdated lets no one in."""
    values = strongroom.settings()
    vault = new_vault(values)
    certs = vault.directory / "certs"
    subprocess.run([strongroom.MAKE_CERTS, "--crl", certs], check=True)
    values["tls"]["crl"] = "certs/ca.crl"
    vault.write_config(values)
    assert vault.reload()
    with vault.connect("checkout") as victim, vault.connect("billing") as other:
        assert victim.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        subprocess.run([strongroom.MAKE_CERTS, "--revoke", "checkout", certs], check=True)
        assert vault.control("/v1/certs/reload", "POST")[0] == 200
        assert victim.more(5) and victim.has_ended
        assert other.exchange("/v1/inspect", {"token": "9900000000000000"}).outcome == (404, "not_found")
    assert refused(vault, vault.tls_context("checkout"))
    assert not refused(vault, vault.tls_context("billing"))
    shutil.copy(certs / "ca.crl", certs / "good.crl")
    subprocess.run([strongroom.MAKE_CERTS, "--crl", "--crl-days", "-1", certs], check=True)
    if vault.control("/v1/certs/reload", "POST")[0] == 200:
        assert refused(vault, vault.tls_context("billing")), "an outdated list must fail closed"
    else:
        assert not refused(vault, vault.tls_context("billing")), "a refused reload keeps the old list"


def test_a_new_server_certificate_is_served_after_a_reload_and_old_connections_live_on(new_vault, other_authority):
    """Same authority, new certificate; then a wrong one, which is refused and changes nothing."""
    vault = new_vault()
    certs = vault.directory / "certs"

    def serial():
        context = vault.tls_context("checkout")
        with wire.Connection(vault.socket(), context) as connection:
            return connection._tls.getpeercert()["serialNumber"]

    first = serial()
    with vault.connect("checkout") as old:
        fresh = pathlib.Path(str(certs) + "-fresh")
        shutil.copytree(certs, fresh)
        make_server_certificate(fresh, "renewed")
        for kind in ("crt", "key"):
            shutil.copy(fresh / f"renewed.{kind}", certs / f"server.{kind}")
        assert vault.control("/v1/certs/reload", "POST")[0] == 200
        second = serial()
        assert second != first
        assert old.exchange("/v1/tokenize", {"pan": PAN}).status == 200
        shutil.copy(other_authority / "server.key", certs / "server.key")  # does not fit its certificate
        code, body = vault.control("/v1/certs/reload", "POST")
        assert code == 422 and b"server" in body
        assert not vault.reload(), "SIGHUP reads them too"
        assert serial() == second
        assert old.exchange("/v1/tokenize", {"pan": PAN}).status == 200
    assert "reload_refused" in vault.log


def make_server_certificate(certs, name, days="30", startdate=None, enddate=None):
    """Another server certificate under the authority of a directory of make-certs."""
    (certs / "ext").write_text(
        "extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={name}", "-keyout", certs / f"{name}.key", "-out", certs / f"{name}.csr"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", certs / f"{name}.csr", "-CA", certs / "ca.crt", "-CAkey",
                    certs / "ca.key", "-days", days, "-extfile", certs / "ext", "-out", certs / f"{name}.crt"],
                   check=True, capture_output=True)
    (certs / f"{name}.key").chmod(0o600)
