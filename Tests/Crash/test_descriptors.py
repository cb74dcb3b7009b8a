"""A process that runs out of file descriptors: it must wait, not spin, and recover."""

import contextlib
import http.client
import os
import resource
import socket
import ssl
import time

import vault as vaults


def cpu_seconds(process):
    """What a process has used so far."""
    fields = vaults.pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def plain_connections(vault, count):
    """Connections that are opened and left alone."""
    opened = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", vault.tcp), 5)
        opened.append(connection)
    return opened


def close_all(connections):
    for connection in connections:
        connection.close()


def wait_for_token(vault, source, seconds):
    """Tries until a new connection is served; the seconds that took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(vaults.Gone, ssl.SSLError):
            with vaults.Client(vault, "checkout", timeout=2) as client:
                if client.tokenize(vaults.card(source)):
                    return time.monotonic() - began
        assert time.monotonic() < began + seconds, f"no service {seconds} s after descriptors were free"
        time.sleep(0.05)


def test_connections_beyond_what_descriptors_allow_are_closed_and_the_rest_is_served(make_vault, source):
    """With 256 descriptors the daemon keeps some for itself: 400 connections exhaust the limit of connections, never the
    descriptors, so operators are answered throughout."""
    vault = make_vault(extra="timeouts: {handshake: 60s}\n")
    vault.start(prefix=["prlimit", "--nofile=256:256"])
    with vault.client() as client:
        assert client.tokenize(vaults.card(source))
        connections = plain_connections(vault, 400)
        try:
            time.sleep(0.3)
            used = open_descriptors(vault.process)
            assert used < 256, f"{used} of 256 descriptors are in use"
            before = cpu_seconds(vault.process)
            for _ in range(20):
                assert vault.get("/livez")[0] == 200
                assert client.tokenize(vaults.card(source)), "a connection from before is no more served"
                time.sleep(0.1)
            busy = (cpu_seconds(vault.process) - before) / 2
            assert busy < 0.2, f"{busy:.0%} of a core for nothing"
        finally:
            close_all(connections)
    seconds = wait_for_token(vault, source, 5)
    print(f"{used} descriptors of 256 used, {busy:.1%} CPU, new connections served {seconds:.2f} s after")
    assert vault.stop() == 0


def test_without_a_free_descriptor_accepting_pauses_without_spinning_and_recovers(make_vault, source):
    """The limit is lowered under the running daemon, so that accept itself fails."""
    vault = make_vault(extra="timeouts: {handshake: 60s}\n")
    vault.start()
    operations = http.client.HTTPConnection("127.0.0.1", vault.operations, timeout=5)
    operations.request("GET", "/livez")
    assert operations.getresponse().read() == b"live\n"
    with vault.client() as client:
        token = client.tokenize(vaults.card(source))
        limit = open_descriptors(vault.process) + 16
        resource.prlimit(vault.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        connections = plain_connections(vault, 60)
        try:
            time.sleep(1)
            before = cpu_seconds(vault.process)
            for _ in range(30):
                assert client.tokenize(vaults.card(source)), "a connection from before is no more served"
                time.sleep(0.1)
            busy = (cpu_seconds(vault.process) - before) / 3
            assert busy < 0.1, f"{busy:.0%} of a core while accept fails"
            operations.request("GET", "/livez")
            assert operations.getresponse().read() == b"live\n"
        finally:
            close_all(connections)
        # The dead connections that still wait go first, as many a second as there are descriptors.
        seconds = wait_for_token(vault, source, 10)
        status, body = client.call("inspect", {"token": token})
        assert status == 200, body
    lines = [line for line in vault.log.read_text().splitlines() if "accept_failed" in line]
    print(f"{busy:.1%} CPU while accept failed, {len(lines)} log lines, served {seconds:.2f} s after")
    assert 1 <= len(lines) <= 3, f"{len(lines)} lines for one shortage"
    assert vault.stop() == 0
