"""No card number ever used is readable anywhere but in the answers that reveal it.

One daemon at the most verbose log level gets some thousand card numbers in good requests and in every kind of bad one.
Then everything it wrote, shows or has mapped is searched for each of them.
"""
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import time

import pytest

import cards
import leaks
import strongroom
import wire


class Used:
    """Card numbers, each counted as used when it is taken."""

    def __init__(self):
        self.generator = random.Random()
        self.pans = []

    def fresh(self, length=16):
        pan = cards.random_pan(length, prefix=self.generator.choice("23456"), generator=self.generator)
        self.pans.append(pan)
        return pan

    def many(self, count):
        return [self.fresh(self.generator.choice((13, 15, 16, 16, 16, 19))) for _ in range(count)]


def use_in_good_requests(vault, used):
    """Every call, single, batch and bulk, over both listeners."""
    published = [row["pan"] for row in cards.published_cards()] if cards.VECTORS.exists() else []
    used.pans += published
    checkout, billing = vault.client("checkout"), vault.client("billing", unix=True)
    tokens = []
    for pan in used.many(200):
        token = checkout.tokenize(pan, expiry="2030-01", subject=f"customer {len(tokens)}", reference="r")
        assert billing.detokenize(token) == pan
        checkout.post("/v1/find", {"format": "cards", "pan": pan})
        checkout.post("/v1/fingerprint", {"pan": pan})
        checkout.inspect(token)
        tokens.append(token)
    batch = used.many(1000)
    results = checkout.tokenize_all(batch)
    assert [answer["pan"] for answer in billing.detokenize_all([result["token"] for result in results])] == batch
    lines = used.many(2000) + published
    answer = checkout.post("/v1/tokenize", "\n".join(lines), type="text/plain")
    billing.post("/v1/detokenize", answer.body, type="text/plain", headers={"Strongroom-Purpose": "charge"})
    checkout.forget(*tokens[:50])
    checkout.tokenize(used.fresh(), subject=used.fresh())


def use_in_bad_requests(vault, used):
    """Card numbers wherever they do not belong."""
    pan = used.fresh

    def raw(data, name="checkout", half_close=True):
        with vault.connect(name, timeout=5) as connection:
            connection.send(data)
            if half_close:
                connection.half_close()
            connection.more(3)

    for path in ("/v1/tokenize", "/v1/detokenize", "/v1/inspect", "/v1/find", "/v1/fingerprint", "/v1/forget"):
        name = "billing" if path == "/v1/detokenize" else "checkout"
        for body in (
            pan(), '"' + pan() + '"', '{"pan":' + pan() + "}", '{"pan":"' + pan(), '{"pan":"' + pan() + '"}}',
            '{"pan":"' + pan() + '","cvv":"' + pan() + '"}', '{"' + pan() + '":1}', '{"pan":"' + pan() + 'x"}',
            '{"purpose":"' + pan() + '","token":"' + pan() + '"}', '{"purpose":"charge","token":"' + pan() + '"}',
            '{"purpose":"charge","tokens":["' + pan() + '",' + pan() + "]}",
            '{"format":"' + pan() + '","pan":"' + pan() + '"}',
            '{"pan":"' + pan() + '","pan":"' + pan() + '"}', '{"pan":"' + pan() + '","expiry":"' + pan() + '"}',
            '{"pan":"' + pan() + '","ttl":' + pan() + "}", '{"pan":"' + pan() + '","subject":"' + pan() + '\\n"}',
            '{"pan":"' + pan() + '","request_id":"' + pan() + ' "}', "[" * 50_000 + pan(), pan() * 50_000,
        ):
            vault.client(name).post(path, body)
        for header in ("Content-Type", "Expect", "Host", "Transfer-Encoding", "Content-Length", "X-Card", "Cookie"):
            raw(wire.request(path, {"pan": pan()}, headers=[f"{header}: {pan()}"]), name)
    for line in (f"POST /v1/{pan()} HTTP/1.1", f"{pan()} / HTTP/1.1", f"GET /?pan={pan()} HTTP/1.1", f"POST / {pan()}",
                 pan(), f"POST https://{pan()}@{pan()}/ HTTP/1.1"):
        raw(f"{line}\r\nHost: vault\r\n{pan()}: {pan()}\r\n\r\n{pan()}".encode())
    for headers in ([f"Strongroom-Purpose: {pan()}"], [f"Strongroom-Fields: {pan()}", "Strongroom-Purpose: charge"]):
        raw(wire.request("/v1/detokenize", pan().encode(), type="text/plain", headers=headers), "billing")
    bad_lines = "\n".join([
        pan() + ",1", pan() + "," + pan(), pan() * 4, "x" + pan(), pan() + "," + "1," + pan(), pan()[:-1]])
    raw(wire.request("/v1/tokenize", bad_lines.encode(), type="text/plain", headers=["Strongroom-Format: cards"]))
    raw(wire.request("/v1/tokenize", pan().encode(), type="text/plain", headers=[f"Strongroom-Format: {pan()}"]))
    raw(wire.request("/v1/tokenize", {"pan": pan()}), "stranger")
    with vault.connect("checkout") as connection:  # chopped off in the middle
        connection.send(wire.request("/v1/tokenize", {"pan": pan()})[:-4])
        connection.abort()
    with vault.connect("checkout") as connection:
        connection.send(wire.request("/v1/tokenize", type="text/plain").replace(
            b"Content-Length: 0", b"Transfer-Encoding: chunked") + wire.chunk(f"{pan()}\n{pan()}".encode()) + b"zz\r\n")
        connection.more(3)
    for unix in (False, True):  # without TLS
        with vault.socket(unix=unix) as plain:
            plain.sendall(wire.request(f"/v1/{pan()}", {"pan": pan()}))
            wire.AnswerReader(plain.recv).receive(4096)
    context = vault.tls_context()  # as a server name
    context.check_hostname = False
    try:
        wire.Connection(vault.socket(), context, hostname=pan() + ".example").close()
    except OSError:
        pass
    for path, method in ((f"/v1/{pan()}", "GET"), (f"/v1/{pan()}", "POST"), (f"/v1/status?{pan()}", "POST")):
        vault.control(path, method)
        vault.operations(path, method)
    for path in (
            f"keys/rotate?purpose={pan()}", f"keys/destroy?version={pan()}", f"keys/rewrap?root={pan()}",
            f"keys/rewrap?root=credential:{pan()}", f"keys/rewrap?root=shares:2/2:{pan()},{pan()}",
            f"shares/split?threshold=2&count=2&custodians={pan()},{pan()}", f"shares/acknowledge?custodian={pan()}",
            f"approve?id={pan()}", f"shares/commit?ceremony={pan()}", f"keys/rotate?{pan()}={pan()}"):
        assert vault.control(f"/v1/{path}", "POST")[0] >= 400
    vault.order("/v1/seal")
    vault.control("/v1/unseal", "POST", f"sr-{pan()}-1:{pan()}".encode())
    if vault.status()["sealed"]:
        vault.order("/v1/unseal")


@pytest.fixture(scope="module")
def aftermath():
    """A vault that has seen it all, with short deadlines and reloads, and the card numbers that were used."""
    started = time.time() - 1
    values = strongroom.settings(log={"level": "trace"}, timeouts={"header": "1s", "body": "1s", "idle": "20s"})
    temporary = tempfile.mkdtemp(prefix="strongroom-leak-tmp-")
    with strongroom.Vault(values, environment={"TMPDIR": temporary}) as vault:
        used = Used()
        use_in_good_requests(vault, used)
        use_in_bad_requests(vault, used)
        with vault.connect("checkout", timeout=5) as slow:
            slow.send(wire.request("/v1/tokenize", {"pan": used.fresh()})[:-3])
            slow.more(4)
        assert vault.reload()
        vault.kill()
        vault.start()
        use_in_good_requests(vault, used)
        vault.rotate("all")
        vault.order(f"/v1/keys/rewrap?root=file:{vault.directory}/next.key")
        vault.control("/v1/verify", "POST")
        vault.used, vault.started, vault.temporary = used, started, temporary
        yield vault
        assert vault.is_running
    pathlib.Path(temporary).rmdir()


@pytest.fixture
def scanner(aftermath):
    return leaks.Scanner(aftermath.used.pans)


def places(scanner, hits):
    """What to say of a leak: where and how many, not which."""
    return {place: len(found) for place, found in hits.items() if found}


def test_thousands_of_card_numbers_were_used(aftermath):
    """So that the searches below look for something."""
    assert len(set(aftermath.used.pans)) > 6000
    assert aftermath.status()["store"]["tokens"] > 5000


def test_log_data_configuration_and_sockets_hold_no_card(aftermath, scanner):
    """The whole directory of the vault: standard output and error at level trace, database, keyring, everything."""
    assert places(scanner, scanner.tree(aftermath.directory)) == {}
    assert (aftermath.data / "vault" / "data.mdb").stat().st_size > 500_000 and scanner.bytes_read > 1_000_000
    assert len(aftermath.log) > 100


def test_metrics_status_and_probes_hold_no_card(aftermath, scanner):
    """Everything the daemon shows to operators."""
    texts = {path: aftermath.operations(path)[1].encode() for path in ("/metrics", "/livez", "/readyz")}
    for path, method in (("/v1/status", "GET"), ("/v1/clients", "GET"), ("/v1/verify", "POST")):
        texts[path] = aftermath.control(path, method)[1]
    done = subprocess.run([strongroom.COMMAND, "status", "--config", aftermath.config], capture_output=True, timeout=20)
    texts["strongroom status"] = done.stdout + done.stderr
    assert places(scanner, {name: scanner.data(text) for name, text in texts.items()}) == {}


def test_files_mapped_by_the_process_hold_no_card(aftermath, scanner):
    """Every path in its memory map; integers in all but the programs of the system, which no one wrote to."""
    mapped = leaks.mapped_files(aftermath.pid)
    assert any(path.endswith("data.mdb") for path in mapped) and len(mapped) > 3
    hits = {}
    for path in mapped:
        hits[path] = scanner.file(path, integers=str(aftermath.directory) in path)
    # Published test numbers may stand in a program as such; numbers drawn at random here cannot.
    published = {row["pan"] for row in cards.published_cards()} if cards.VECTORS.exists() else set()
    hits = {path: found if str(aftermath.directory) in path else found - published for path, found in hits.items()}
    assert places(scanner, hits) == {}


def test_environment_command_line_and_descriptors_hold_no_card(aftermath, scanner):
    """What `ps` and /proc show of the process."""
    base = pathlib.Path(f"/proc/{aftermath.pid}")
    hits = {name: scanner.data((base / name).read_bytes()) for name in ("environ", "cmdline", "comm", "status", "maps")}
    for link in (base / "fd").iterdir():
        try:
            hits[str(link)] = scanner.text(os.readlink(link).encode())
        except FileNotFoundError:
            pass
    assert places(scanner, hits) == {}


def test_no_temporary_file_was_written(aftermath, scanner):
    """The daemon's own temporary directory is empty, and no new file in the system's holds a card."""
    assert os.listdir(aftermath.temporary) == []
    hits = {}
    for directory in {"/tmp", "/var/tmp", "/dev/shm"}:
        for entry in os.scandir(directory):
            try:
                if entry.is_file(follow_symlinks=False) and entry.stat().st_ctime >= aftermath.started:
                    hits[entry.path] = scanner.file(entry.path)
            except OSError:
                continue
    published = {row["pan"] for row in cards.published_cards()} if cards.VECTORS.exists() else set()
    assert places(scanner, {path: found - published for path, found in hits.items()}) == {}


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_crash_leaves_no_core_file_and_no_card_in_the_log(new_vault, number):
    """Core files allowed by the shell that starts it, the daemon dies of a signal with cards in its memory."""
    vault = new_vault(start=False)
    vault.wrapper = ["prlimit", "--core=unlimited:unlimited"]
    vault.start()
    used = Used()
    vault.client("checkout").tokenize_all(used.many(500))
    directory = leaks.core_directory(vault.directory)
    before = set(os.listdir(directory)) if directory else set()
    vault.signal(number)
    try:
        code = vault.process.wait(2)
    except subprocess.TimeoutExpired:
        # A handler for damaged pages of the database takes the first one that no fault is behind.
        vault.signal(number)
        code = vault.process.wait(20)
    assert code == -number
    assert not directory or not [name for name in set(os.listdir(directory)) - before if "core" in name]
    assert leaks.Scanner(used.pans).tree(vault.directory) == {}


def test_memory_holds_no_card_after_the_answers_are_out(new_vault):
    """The writable memory of a process that is at rest: buffers of requests and answers were cleared.

    Needs root: the daemon lets itself be traced by no one else.
    """
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root")
    vault = new_vault()
    used = Used()
    use_in_good_requests(vault, used)
    vault._forget_clients()
    time.sleep(0.5)
    published = {row["pan"] for row in cards.published_cards()} if cards.VECTORS.exists() else set()
    used.pans = list(set(used.pans) - published)
    try:
        hits, total = cards_in_memory(vault, used)
        assert hits == {} and total > 1 << 20
        # Control: a request of which the last bytes are missing is held, and must be found.
        with vault.connect("checkout") as connection:
            waiting = used.fresh()
            connection.send(wire.request("/v1/tokenize", {"pan": waiting})[:-2])
            time.sleep(0.5)
            hits, _ = cards_in_memory(vault, used)
            assert sum(hits.values()) >= 1, "a card that must be in memory is not found there"
            connection.send(b'"}')
            assert connection.answer().status == 200
        time.sleep(0.5)
        hits, _ = cards_in_memory(vault, used)
        assert hits == {}
    except PermissionError:
        pytest.skip("this machine lets not even root read the memory of another process")


def cards_in_memory(vault, used):
    """Regions with cards and how many, and the bytes searched."""
    scanner = leaks.Scanner(used.pans)
    hits, total = {}, 0
    for name, data in leaks.memory(vault.pid):
        total += len(data)
        hits[name] = hits.get(name, set()) | scanner.text(data)
    return places(scanner, hits), total


def test_the_search_finds_a_card_that_is_planted(aftermath, scanner, tmp_path):
    """Control: in a log among other digits, as UTF-16, as an integer of either byte order, at any offset, in a file
    name.
    """
    pan = next(pan for pan in aftermath.used.pans if len(pan) == 16)
    number = int(pan)
    plants = {
        "ascii": b"<7>event detail=\"" + pan.encode() + b"\"\n", "in-digits": b"000" + pan.encode() + b"99",
        "utf16": pan.encode("utf-16-le"), "little": b"xyz" + struct.pack("<Q", number) + b"w",
        "big": b"12345" + struct.pack(">Q", number), "seam": b"\xff" * ((4 << 20) - 7) + pan.encode() + b"\xff" * 100,
    }
    for name, data in plants.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / f"dump-{pan}").touch()
    hits = scanner.tree(tmp_path)
    names = {pathlib.Path(place).name.split("-")[0] for place in hits}
    assert names == {"ascii", "in", "utf16", "little", "big", "seam", "dump"}
    assert all(found == {pan} for found in hits.values())
    with open(aftermath.log_file, "ab") as log:
        log.write(pan.encode() + b"\n")
    try:
        with pytest.raises(AssertionError):
            test_log_data_configuration_and_sockets_hold_no_card(aftermath, scanner)
    finally:
        with open(aftermath.log_file, "rb+") as log:
            log.truncate(os.path.getsize(aftermath.log_file) - len(pan) - 1)
