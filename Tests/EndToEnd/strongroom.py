"""A vault in a temporary directory, and the daemon that serves it: what every end-to-end test starts from.

    with Vault() as vault:                      # certificates, configuration, `strongroom init`, daemon, ready
        token = vault.client("checkout").tokenize("4111111111111111")
        vault.kill()                            # kill -9
        vault.start()

Everything is loopback, everything is ended by process id, and nothing is left behind. The programs are taken from the
directory STRONGROOM_BIN, or from .build/release of this checkout.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import wire

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("STRONGROOM_BIN", REPOSITORY / ".build" / "release"))
DAEMON = PROGRAMS / "strongroomd"
COMMAND = PROGRAMS / "strongroom"
MAKE_CERTS = REPOSITORY / "certs" / "make-certs"

#: Unix users who may operate a vault whose control socket belongs to the group `nogroup`: nobody, and another nobody.
OPERATORS, OPERATORS_GROUP = (65534, 65533), 65534

#: Every role of an operator.
ROLES = ("key_custodian", "auditor", "privacy_officer", "incident_responder", "administrator")

#: Names that get a certificate; the configuration decides which of them are clients.
CLIENT_NAMES = ("support", "partner", "stranger")

_certificates = None


def certificates():
    """A directory made by certs/make-certs, once for the process: checkout, billing, CLIENT_NAMES, and `late`,
    expired.
    """
    global _certificates
    if _certificates is None:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="strongroom-certs-"))
        subprocess.run([MAKE_CERTS, "--expired", "late", directory / "certs", *CLIENT_NAMES], check=True)
        _certificates = directory / "certs"
    return _certificates


def remove_certificates():
    """Removes what `certificates` made."""
    global _certificates
    if _certificates is not None:
        shutil.rmtree(_certificates.parent, ignore_errors=True)
        _certificates = None


def free_port():
    """A loopback port no one listens on, below the range the system hands out by itself."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port between 20000 and 32000")


def settings(**changes):
    """The configuration of DESIGN as a dictionary, with free ports; `changes` replace top-level sections."""
    values = {
        "data": "data",
        "listen": {
            "tcp": f"127.0.0.1:{free_port()}",
            "unix": "run/vault.sock",
            "control": "run/control.sock",
            "operations": f"127.0.0.1:{free_port()}",
        },
        "tls": {"certificate": "certs/server.crt", "key": "certs/server.key", "client_ca": "certs/ca.crt"},
        "root_key": {"file": "root.key"},
        "formats": {"cards": {"keep": "last4"}},
        "default_format": "cards",
        "clients": [
            client("checkout", ["tokenize", "inspect", "forget", "find", "fingerprint"], ["cards"]),
            client("billing", ["detokenize", "inspect"], ["cards"], ["charge", "refund"]),
        ],
        "store": {"map_size": "4GiB"},
    }
    values.update(changes)
    return values


def client(name, allow, formats, purposes=()):
    """One entry of `clients`, known by the DNS name of its certificate."""
    entry = {"name": name, "certificate": {"dns": f"{name}.internal"}, "allow": list(allow), "formats": list(formats)}
    if purposes:
        entry["purposes"] = list(purposes)
    return entry


def operator(name, user, allow=ROLES, mfa=None):
    """One entry of `operators`."""
    entry = {"name": name, "user": user, "allow": list(allow)}
    if mfa:
        entry["mfa"] = mfa
    return entry


def _control_request(connection, path, method, body, code=None):
    head = f"{method} {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    if code is not None:
        head += f"Strongroom-Code: {code}\r\n"
    connection.sendall(head.encode() + b"\r\n" + body)
    answer = wire.AnswerReader(lambda count: connection.recv(count)).answer()
    return answer.status, answer.body


def _control_as(user, control, path, method, body, code):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # The child does one request and is gone, whatever happens.
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(OPERATORS_GROUP if user in OPERATORS else user)
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                connection.connect(control)
                status, answer = _control_request(connection, path, method, body, code)
            os.write(writing, json.dumps([status, answer.decode()]).encode())
        except BaseException as error:  # noqa: the parent is told
            os.write(writing, json.dumps([0, repr(error)]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        status, answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    return status, answer.encode()


class DaemonFailed(Exception):
    """The daemon ended instead of serving; `code` is its exit code, `log` what it said."""

    def __init__(self, code, log):
        super().__init__(f"strongroomd ended with {code}:\n{log}")
        self.code = code
        self.log = log


class Vault:
    """A directory with certificates, configuration, keys and data, and the daemon on it.

    `values` is what the YAML file says, as `settings` makes it. With `start=False` nothing runs yet.
    """

    def __init__(self, values=None, *, start=True, initialize=True, environment=None):
        self.values = values or settings()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="strongroom-test-"))
        self.config = self.directory / "strongroom.yaml"
        self.log_file = self.directory / "daemon.log"
        self.environment = environment or {}
        #: A command in front of the daemon's, such as `setpriv`, that becomes the daemon.
        self.wrapper = []
        self.process = None
        self._clients = {}
        shutil.copytree(certificates(), self.directory / "certs")
        self.write_config()
        if initialize:
            self.initialize()
        if start:
            self.start()

    # Files

    def write_config(self, values=None):
        """Writes the configuration: JSON, which is YAML too, one key a line so that a problem has a line of its own. A
        value of None is the word none.
        """
        self.values = values or self.values
        self.config.write_text(json.dumps(self.values, indent=2).replace(": null", ": none") + "\n")

    def initialize(self):
        """`strongroom init`: root key, data directory, keyring."""
        done = subprocess.run([COMMAND, "init", "--config", self.config], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"init ended with {done.returncode}: {done.stdout}{done.stderr}"

    @property
    def data(self):
        """The data directory."""
        return self.directory / self.values["data"]

    @property
    def log(self):
        """All the daemon said so far, over all starts."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # Life

    @property
    def pid(self):
        """The process id of the daemon."""
        return self.process.pid

    @property
    def is_running(self):
        """Whether the daemon lives."""
        return self.process is not None and self.process.poll() is None

    def launch(self, *arguments):
        """Starts the daemon and does not wait for it."""
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "SWIFT_BACKTRACE": "enable=no"}
        for name in ("LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(self.environment)
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, DAEMON, "--config", self.config, *arguments], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment, cwd=self.directory)
        return self.process

    def start(self, within=15.0):
        """Starts the daemon and returns when it is ready; the seconds that took. Raises `DaemonFailed` if it ends."""
        begun = time.monotonic()
        said = len(self.log)
        self.launch()
        while True:
            if self.process.poll() is not None:
                raise DaemonFailed(self.process.returncode, self.log[said:])
            if self.is_ready():
                return time.monotonic() - begun
            if time.monotonic() - begun > within:
                self.kill()
                raise TimeoutError(f"not ready within {within} s:\n{self.log[said:]}")
            time.sleep(0.01)

    def fail_to_start(self, within=15.0):
        """Starts a daemon that must refuse to: its exit code and what it said."""
        said = len(self.log)
        self.launch()
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the daemon runs, and should have refused to start") from None
        return code, self.log[said:]

    def check_config(self):
        """`--check-config`: exit code and output."""
        done = subprocess.run(
            [DAEMON, "--config", self.config, "--check-config"], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def signal(self, number):
        """Sends a signal to the daemon, by its process id."""
        os.kill(self.pid, number)

    def kill(self):
        """kill -9, and waits for the end."""
        self._forget_clients()
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def stop(self, within=40.0):
        """SIGTERM, and the exit code."""
        self._forget_clients()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the daemon did not end within {within} s of SIGTERM:\n{self.log[-2000:]}") from None

    def restart(self):
        """Stops and starts; seconds until ready."""
        assert self.stop() == 0, self.log[-2000:]
        return self.start()

    def restart_sealed(self, shares):
        """Stops, starts, and enters shares when the control socket answers."""
        assert self.stop() == 0, self.log[-2000:]
        self.launch()
        deadline = time.monotonic() + 15
        for share in shares:
            while True:
                try:
                    self.order("/v1/unseal", body=share.encode())
                    break
                except OSError:
                    assert time.monotonic() < deadline and self.process.poll() is None, self.log[-2000:]
                    time.sleep(0.02)
        assert self.is_ready()

    def reload(self):
        """SIGHUP, and waits until the daemon says whether it took the new configuration; True if it did."""
        before = self.metrics()
        self.signal(signal.SIGHUP)
        for _ in range(1000):
            now = self.metrics()
            if now["strongroom_reloads_total"] > before["strongroom_reloads_total"]:
                return True
            if now["strongroom_reload_failures_total"] > before["strongroom_reload_failures_total"]:
                return False
            time.sleep(0.01)
        raise AssertionError("SIGHUP had no effect within 10 s")

    def remove(self):
        """Ends the daemon and deletes the directory."""
        self._forget_clients()
        if self.is_running:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    # Ways in

    @property
    def address(self):
        """Host and port of the TCP listener."""
        host, port = self.values["listen"]["tcp"].rsplit(":", 1)
        return host, int(port)

    @property
    def unix(self):
        """Path of the Unix listener."""
        return str(self.directory / self.values["listen"]["unix"])

    def socket(self, *, unix=False, timeout=30.0):
        """A connected socket without TLS."""
        if unix:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(self.unix)
            return connection
        connection = socket.create_connection(self.address, timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def tls_context(self, name="checkout", certs=None):
        """A context of Python's ssl for a client's certificate; `None` for no certificate."""
        certs = pathlib.Path(certs or self.directory / "certs")
        context = ssl.create_default_context(cafile=str(self.directory / "certs" / "ca.crt"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if name is not None:
            context.load_cert_chain(certs / f"{name}.crt", certs / f"{name}.key")
        return context

    def connect(self, name="checkout", *, unix=False, timeout=30.0):
        """A raw connection (`wire.Connection`) with a client's certificate."""
        return wire.Connection(self.socket(unix=unix, timeout=timeout), self.tls_context(name))

    def client(self, name="checkout", *, unix=False):
        """A client over http.client that keeps its connection. Not for two threads at a time: see `new_client`."""
        key = (name, unix)
        if key not in self._clients:
            self._clients[key] = self.new_client(name, unix=unix)
        return self._clients[key]

    def new_client(self, name="checkout", *, unix=False, timeout=30.0):
        """A client with a connection of its own."""
        return wire.Client(lambda: self.socket(unix=unix, timeout=timeout), self.tls_context(name))

    def _forget_clients(self):
        for existing in self._clients.values():
            existing.close()
        self._clients = {}

    def curl(self, path, *arguments, name="checkout", unix=False, timeout=120, input=None):
        """Runs curl on a call with a client's certificate; the finished process, output as bytes."""
        certs = self.directory / "certs"
        command = [
            "curl", "--silent", "--show-error", "--cacert", certs / "ca.crt", "--cert", certs / f"{name}.crt",
            "--key", certs / f"{name}.key",
        ]
        if unix:
            command += ["--unix-socket", self.unix]
        command += [*arguments, f"https://localhost:{self.address[1]}{path}"]
        return subprocess.run(command, capture_output=True, timeout=timeout, input=input)

    # Looking in

    def operations(self, path, method="GET"):
        """A request to the operations listener: status and text."""
        request = urllib.request.Request(f"http://{self.values['listen']['operations']}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self):
        """Whether /readyz answers 200."""
        try:
            return self.operations("/readyz")[0] == 200
        except OSError:
            return False

    def metrics(self):
        """/metrics as a dictionary from the sample's name, with labels as written, to its value."""
        status, text = self.operations("/metrics")
        assert status == 200, text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def control(self, path, method="GET", body=b"", user=None, code=None):
        """A request to the control socket, as another Unix user if one is named, with a one-time code if there is one:
        status and body.
        """
        control = str(self.directory / self.values["listen"]["control"])
        if user is not None:
            # The kernel tells who connected, so it takes a process of that user.
            return _control_as(user, control, path, method, body, code)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(control)
            return _control_request(connection, path, method, body, code)

    def order(self, path, method="POST", body=b"", user=None, expect=200, code=None):
        """A command to the control plane, with the status it must have: its JSON document."""
        status, answer = self.control(path, method, body, user, code)
        assert status == expect, f"{path}: {status} {answer}"
        return json.loads(answer)

    def keys(self):
        """What `strongroom keys list` shows."""
        return self.order("/v1/keys", "GET")

    def versions(self, purpose="data"):
        """The state of each version of a purpose, by number."""
        return {key["version"]: key["state"] for key in self.keys()["versions"] if key["purpose"] == purpose}

    def jobs(self):
        """The rotations under way."""
        return self.order("/v1/jobs", "GET")["jobs"]

    def wait_for_jobs(self, within=60.0):
        """Returns when no rotation is under way; raises for one that is blocked."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            jobs = self.jobs()
            if not jobs:
                return
            assert all(job["state"] != "blocked" for job in jobs), jobs
            time.sleep(0.02)
        raise AssertionError(f"not done within {within} s: {self.jobs()}")

    def rotate(self, purpose="data", within=60.0):
        """Rotates and waits for the end."""
        self.order(f"/v1/keys/rotate?purpose={purpose}")
        self.wait_for_jobs(within)

    def status(self):
        """What `strongroom status` shows."""
        code, body = self.control("/v1/status")
        assert code == 200, body
        return json.loads(body)

    def memory(self):
        """Bytes of the daemon's own memory that are resident: heap and stacks, not the pages of the mapped database."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon in /proc/PID/status")

    def open_files(self):
        """How many descriptors the daemon holds."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))
