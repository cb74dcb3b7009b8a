"""A real vault in a temporary directory: made, started, killed and asked by these tests.

Only the standard library, a fresh vault for each test, loopback only, every process ended by its own id.
Binaries come from the directory in STRONGROOM_BIN, by default `.build/release` of this repository.
"""

import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("STRONGROOM_BIN", REPOSITORY / ".build" / "release"))

CONFIGURATION = """\
data: data
listen:
  tcp: 127.0.0.1:{tcp}
  control: run/control.sock
  operations: 127.0.0.1:{operations}
tls: {{certificate: certs/server.crt, key: certs/server.key, client_ca: certs/ca.crt}}
root_key: {{file: root.key}}
formats:
  cards: {{keep: last4, reuse: always}}
default_format: cards
control: {{group: none}}
clients:
  - {{name: checkout, certificate: {{dns: checkout.internal}}, allow: [tokenize, inspect, forget, find], formats: [cards]}}
  - {{name: billing, certificate: {{dns: billing.internal}}, allow: [detokenize, inspect], formats: [cards], purposes: [charge]}}
"""


class Gone(Exception):
    """The daemon did not answer: the connection was refused, reset or cut short."""


def knob(name, default):
    """A whole number from the environment: how much of a test to run."""
    return int(os.environ.get(name, default))


def seeded(request):
    """The random source of a test. STRONGROOM_SEED replays a run; the seed is printed, so a failure shows it."""
    seed = int(os.environ.get("STRONGROOM_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed: STRONGROOM_SEED={seed} ({request.node.name})")
    return random.Random(seed)


def card(source):
    """A random 16-digit card number that passes Luhn."""
    body = [4] + [source.randrange(10) for _ in range(14)]
    total = sum(sum(divmod(2 * d, 10)) if i % 2 == 0 else d for i, d in enumerate(body))
    return "".join(map(str, body)) + str(-total % 10)


def cards(source, count):
    """That many different card numbers."""
    found = {}
    while len(found) < count:
        found[card(source)] = None
    return list(found)


def free_port():
    """A loopback port no one listens on, below the range that clients get theirs from: it must be free again at every
    restart."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port between 20000 and 32000")


class Vault:
    """One vault directory and the daemon that runs on it, if any."""

    def __init__(self, directory, certificates, extra="", initialized=True):
        self.directory = pathlib.Path(directory)
        self.process = None
        self.contexts = {}
        self.directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(certificates, self.directory / "certs", dirs_exist_ok=True)
        (self.directory / "run").mkdir(exist_ok=True)
        self.tcp, self.operations = free_port(), free_port()
        self.configuration = self.directory / "strongroom.yaml"
        self.configure(extra)
        self.log = self.directory / "daemon.log"
        self.log.touch()
        if initialized:
            self.initialize()

    @property
    def store(self):
        return self.directory / "data" / "vault" / "data.mdb"

    def configure(self, extra=""):
        self.configuration.write_text(CONFIGURATION.format(tcp=self.tcp, operations=self.operations) + extra)

    def initialize(self, environment=None):
        done = self.try_initialize(environment=environment)
        assert done.returncode == 0, f"init: exit code {done.returncode}: {done.stderr}"

    def try_initialize(self, prefix=(), environment=None):
        """`strongroom init`, which may fail: the finished process."""
        return subprocess.run(
            [*prefix, BINARIES / "strongroom", "init", "--config", self.configuration], timeout=30, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | (environment or {}))

    def verify(self):
        """What `strongroom verify` says of the running vault: its findings and whether all is sound."""
        done = subprocess.run(
            [BINARIES / "strongroom", "verify", "--json", "--config", self.configuration], timeout=60, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        findings = [line for line in lines if "finding" in line]
        is_sound = done.returncode == 0 and lines[-1]["report"]["sound"] and not findings
        return findings or [done.stderr.strip()], is_sound

    def check_sound(self, where=""):
        findings, is_sound = self.verify()
        assert is_sound, f"{where}: verify: {len(findings)} findings: {findings[:3]}"

    # The daemon's life

    def start(self, prefix=(), environment=None, wait=True, user=None):
        """Starts the daemon, as another user if one is named, and waits until it is ready; the seconds that took."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*prefix, BINARIES / "strongroomd", "--config", self.configuration], stdout=log, stderr=log,
                env=os.environ | (environment or {}), user=user, extra_groups=[] if user else None)
        if wait and not self.wait_ready(20):
            raise AssertionError(f"not ready after 20 s, exit code {self.process.poll()}:\n{self.log_tail()}")
        return time.monotonic() - began

    def wait_ready(self, seconds, status=200):
        """Whether /readyz gave that status within so many seconds while the daemon lived."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.ready() == status:
                return True
            time.sleep(0.005)
        return False

    def ready(self):
        """The status of /readyz, or None where nothing answers."""
        try:
            return self.get("/readyz")[0]
        except OSError:
            return None

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.operations, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def kill(self):
        """SIGKILL; returns when the process is gone."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        return self.process.wait(10) if self.process else None

    def stop(self, seconds=40):
        """SIGTERM and wait; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {seconds} s after SIGTERM:\n{self.log_tail()}") from None

    def log_tail(self, count=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    # Its clients

    def client(self, name="checkout"):
        return Client(self, name)

    def context(self, name):
        if name not in self.contexts:
            certificates = self.directory / "certs"
            context = ssl.create_default_context(cafile=certificates / "ca.crt")
            context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
            self.contexts[name] = context
        return self.contexts[name]

    def detokenize(self, tokens):
        """What each token gives back: a card number, or `!code`."""
        found = []
        with self.client("billing") as billing:
            for start in range(0, len(tokens), 10_000):
                status, body = billing.call(
                    "detokenize", {"purpose": "charge", "tokens": tokens[start:start + 10_000]})
                assert status == 200, f"{status} {body}"
                found += [r["pan"] if "pan" in r else "!" + r["error"]["code"] for r in body["results"]]
        return found

    def wrong(self, pairs):
        """The (token, card) pairs that do not come back as they went in, with what came instead."""
        given = self.detokenize([token for token, _ in pairs])
        return [(token, came) for (token, pan), came in zip(pairs, given) if came != pan]


class Client:
    """One kept-alive TLS connection with a client's certificate."""

    def __init__(self, vault, name, timeout=20):
        self.socket = None
        try:
            plain = socket.create_connection(("127.0.0.1", vault.tcp), timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = vault.context(name).wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError as error:
            raise Gone(str(error)) from error
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def line(self):
        """One line of the answer, which must be whole."""
        try:
            line = self.reader.readline()
        except OSError as error:
            raise Gone(str(error)) from error
        if not line.endswith(b"\n"):
            raise Gone("the answer was cut short")
        return line

    def exactly(self, count):
        try:
            data = self.reader.read(count)
        except OSError as error:
            raise Gone(str(error)) from error
        if len(data) != count:
            raise Gone("the answer was cut short")
        return data

    def head(self):
        """The status and header fields of an answer."""
        status = int(self.line().split()[1])
        fields = {}
        while (line := self.line()) != b"\r\n":
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        return status, fields

    def call(self, operation, request):
        """A JSON call: the status and the answer's document."""
        body = json.dumps(request).encode()
        self.send(
            f"POST /v1/{operation} HTTP/1.1\r\nHost: vault\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, fields = self.head()
        return status, json.loads(self.exactly(int(fields["content-length"])))

    def tokenize(self, pan):
        """A card's token; None where the vault refused."""
        status, body = self.call("tokenize", {"pan": pan})
        return body["token"] if status == 200 else None

    def tokenize_all(self, pans):
        """The tokens of a batch; None where the vault refused it whole."""
        status, body = self.call("tokenize", {"cards": [{"pan": pan} for pan in pans]})
        if status != 200:
            return None
        return [result["token"] for result in body["results"]]

    def find(self, pan):
        """The token on file for a card, or None."""
        status, body = self.call("find", {"format": "cards", "pan": pan})
        assert status in (200, 404), f"{status} {body}"
        return body["token"] if status == 200 else None

    # Bulk, in steps: lines up, as many answers down, while the request goes on.

    def bulk_open(self, operation="tokenize", fields=""):
        self.send(
            f"POST /v1/{operation} HTTP/1.1\r\nHost: vault\r\nContent-Type: text/plain\r\n{fields}"
            f"Transfer-Encoding: chunked\r\n\r\n".encode())
        self.pending, self.answered = b"", False

    def bulk_send(self, lines):
        data = "".join(line + "\n" for line in lines).encode()
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def bulk_close(self):
        self.send(b"0\r\n\r\n")

    def bulk_answer(self):
        """The next answer line of the stream; None at its end."""
        if not self.answered:
            status, _ = self.head()
            if status != 200:
                raise Gone(f"status {status}")
            self.answered = True
        while b"\n" not in self.pending:
            size = int(self.line(), 16)
            if size == 0:
                while self.line() != b"\r\n":
                    pass
                return None
            self.pending += self.exactly(size)
            self.exactly(2)
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()
