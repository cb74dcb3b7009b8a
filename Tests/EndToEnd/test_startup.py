"""What a start refuses, with which exit code, and whether the message names what is wrong."""
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

import strongroom
from test_tls import make_server_certificate

CONFIG, DATA, UNAVAILABLE, RUNNING, PERMISSION = 78, 65, 69, 75, 77
PAN = "4111111111111111"


@pytest.fixture
def stopped(new_vault):
    """A vault that was served once, holds a card, and is stopped."""
    vault = new_vault()
    vault.token = vault.client("checkout").tokenize(PAN)
    assert vault.stop() == 0
    return vault


def still_good(vault):
    """After the cause is gone the vault starts and has its card: the failed start changed nothing."""
    vault.start()
    assert vault.client("billing").detokenize(vault.token) == PAN
    assert vault.stop() == 0


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_an_unknown_key_is_named_with_file_line_and_what_was_meant(stopped):
    """All mistakes at once, each `file:line:column: key: problem`; a start and --check-config say the same."""
    good = stopped.config.read_text()
    bad = good.replace('"default_format"', '"defalt_format"').replace('"keep": "last4"', '"keep": "last5"')
    lines = bad.splitlines()
    stopped.config.write_text("\n".join(lines))
    wanted = {
        "defalt_format": next(n for n, line in enumerate(lines, 1) if "defalt_format" in line),
        "formats.cards.keep": next(n for n, line in enumerate(lines, 1) if "last5" in line),
    }
    for code, log in (stopped.fail_to_start(), stopped.check_config()):
        assert code == CONFIG
        for key, line in wanted.items():
            assert any(f"strongroom.yaml:{line}:" in row and key in row for row in log.splitlines()), log
        assert "did you mean 'default_format'?" in log
    stopped.config.write_text(good)
    code, log = stopped.check_config()
    assert code == 0 and "no problems" in log
    still_good(stopped)


def test_a_configuration_that_is_missing_empty_or_no_yaml_is_78(stopped):
    """Nothing to go on is a problem of its own."""
    good = stopped.config.read_text()
    for text in ("", "[", "a: b: c", "- 1", "\x00", "data: *x", "{}"):
        stopped.config.write_text(text)
        code, log = stopped.fail_to_start()
        assert code == CONFIG and "strongroom.yaml" in log, (text, log)
    stopped.config.unlink()
    code, log = stopped.fail_to_start()
    assert code == CONFIG and "strongroom.yaml" in log
    stopped.config.write_text(good)
    still_good(stopped)


def test_usage_errors_are_64(stopped):
    """An option without its value, one that does not exist, an argument too many."""
    for arguments in (["--config"], ["--config", "x", "--nonsense"], ["--config", "x", "y"]):
        done = subprocess.run([strongroom.DAEMON, *arguments], capture_output=True, timeout=20)
        assert done.returncode == 64, done


def test_a_wrong_root_key_is_78_and_says_so(stopped):
    """Another vault's root key, by check value, before anything is opened."""
    root = stopped.directory / "root.key"
    good = root.read_bytes()
    flip(root, 3)
    code, log = stopped.fail_to_start()
    assert code == CONFIG and "root key" in log, log
    root.write_bytes(good)
    still_good(stopped)


@pytest.mark.parametrize("damage", ["missing", "short", "long", "empty", "directory"])
def test_a_root_key_that_is_no_key_is_named(stopped, damage):
    """By its path."""
    root = stopped.directory / "root.key"
    good = root.read_bytes()
    root.unlink()
    if damage == "directory":
        root.mkdir(mode=0o700)
    elif damage != "missing":
        root.write_bytes({"short": good[:31], "long": good + b"x", "empty": b""}[damage])
        root.chmod(0o600)
    code, log = stopped.fail_to_start()
    assert code == CONFIG and "root.key" in log, log
    if damage == "directory":
        root.rmdir()
    root.write_bytes(good)
    root.chmod(0o600)
    still_good(stopped)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_root_key_that_others_can_read_is_refused(stopped, mode):
    """Named with its mode and the remedy."""
    root = stopped.directory / "root.key"
    root.chmod(mode)
    code, log = stopped.fail_to_start()
    assert code in (CONFIG, PERMISSION) and "root.key" in log and "chmod 600" in log, log
    root.chmod(0o600)
    still_good(stopped)


def test_a_keyring_that_is_missing_is_78(stopped):
    """Never a new one in its place: that would make every card unreadable in silence."""
    keyring = stopped.data / "keyring"
    keyring.rename(stopped.directory / "kept")
    code, log = stopped.fail_to_start()
    assert code == CONFIG and "keyring" in log, log
    assert not keyring.exists()
    (stopped.directory / "kept").rename(keyring)
    still_good(stopped)


def test_every_damage_to_the_keyring_is_found(stopped):
    """A flipped bit anywhere, cut short, lengthened, emptied: refused, named, and never a different vault."""
    keyring = stopped.data / "keyring"
    good = keyring.read_bytes()
    codes = {}
    for position in [*range(0, 48), *range(48, len(good), 17), len(good) - 1]:
        flip(keyring, position)
        codes[position], log = stopped.fail_to_start()
        assert "keyring" in log or "root key" in log, (position, log)
        keyring.write_bytes(good)
    assert set(codes.values()) <= {DATA, CONFIG}, codes
    assert sum(code == DATA for code in codes.values()) > len(codes) / 2, codes
    for damaged in (b"", good[:-1], good + b"\x00", good[:20], os.urandom(len(good))):
        keyring.write_bytes(damaged)
        code, log = stopped.fail_to_start()
        assert code == DATA and "keyring" in log, log
    keyring.write_bytes(good)
    still_good(stopped)


def test_a_keyring_of_another_vault_is_refused(stopped, new_vault):
    """With its own root key it opens, but the database belongs to other keys."""
    other = new_vault(start=False)
    for name in ("root.key", "data/keyring"):
        shutil.copy(stopped.directory / name, stopped.directory / (pathlib.Path(name).name + ".kept"))
        shutil.copy(other.directory / name, stopped.directory / name)
    code, log = stopped.fail_to_start()
    assert code == CONFIG, log
    for name in ("root.key", "data/keyring"):
        shutil.copy(stopped.directory / (pathlib.Path(name).name + ".kept"), stopped.directory / name)
    still_good(stopped)


def test_a_second_daemon_on_the_same_directory_is_75(new_vault):
    """It names the process that runs, and leaves it, its sockets and its data alone."""
    vault = new_vault()
    first = vault.process
    token = vault.client("checkout").tokenize(PAN)
    listen = {**strongroom.settings()["listen"], "unix": "run/2.sock", "control": "run/2.ctl"}
    second = dict(vault.values, listen=listen)
    (vault.directory / "second.yaml").write_text(strongroom.json.dumps(second))
    for config in ("second.yaml", "strongroom.yaml"):
        done = subprocess.run([strongroom.DAEMON, "--config", vault.directory / config], capture_output=True, text=True,
                              timeout=20)
        assert done.returncode == RUNNING and str(first.pid) in done.stderr and "data" in done.stderr, done
    assert vault.client("billing", unix=True).detokenize(token) == PAN
    assert vault.status()["pid"] == first.pid


@pytest.mark.parametrize("which", ["tcp", "operations"])
def test_a_port_in_use_is_69(stopped, which):
    """And the store is let go again, so that the next start succeeds."""
    host, port = stopped.values["listen"][which].rsplit(":", 1)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((host, int(port)))
        squatter.listen()
        code, log = stopped.fail_to_start()
    assert code == UNAVAILABLE and "listen" in log, log
    still_good(stopped)


def test_a_server_certificate_that_is_wrong_is_78(stopped):
    """Expired, of another key, not PEM, missing, key open to others: each named by its file."""
    certs = stopped.directory / "certs"
    good = {name: (certs / name).read_bytes() for name in ("server.crt", "server.key", "ca.crt")}

    def refused(*words):
        code, log = stopped.fail_to_start()
        assert code in (CONFIG, PERMISSION) and all(word in log for word in words), log
        for name, data in good.items():
            (certs / name).write_bytes(data)
            (certs / name).chmod(0o600 if name.endswith("key") else 0o644)

    for kind in ("crt", "key"):
        shutil.copy(certs / f"late.{kind}", certs / f"server.{kind}")
    refused("server.crt", "expired")
    shutil.copy(certs / "billing.key", certs / "server.key")
    refused("server.key")
    for name in good:
        (certs / name).write_text("nonsense")
        refused(name)
        (certs / name).unlink()
        refused(name)
    (certs / "server.key").chmod(0o644)
    refused("server.key", "chmod 600")
    make_server_certificate(certs, "fresh")
    for kind in ("crt", "key"):
        shutil.copy(certs / f"fresh.{kind}", certs / f"server.{kind}")
    still_good(stopped)


def without_capabilities(vault):
    """Makes the daemon of a root user obey file modes."""
    if os.geteuid() == 0:
        vault.wrapper = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.mark.parametrize("name,mode", [("data", 0o500), ("data", 0o000), ("data/vault", 0o000),
                                       ("data/keyring", 0o000), ("data/vault/data.mdb", 0o000), ("root.key", 0o000),
                                       ("certs/server.key", 0o000)])
def test_what_cannot_be_read_or_written_is_named(stopped, name, mode):
    """Unwritable and unreadable directories and files: a refusal that names the path, and no damage."""
    without_capabilities(stopped)
    path = stopped.directory / name
    if not path.exists():
        pytest.skip(f"this store has no {name}")
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    try:
        code, log = stopped.fail_to_start()
    finally:
        path.chmod(before)
    assert code in (PERMISSION, CONFIG, 74), log
    assert str(path) in log or str(path.parent) in log, log
    still_good(stopped)


def test_a_data_directory_without_init_is_refused(new_vault):
    """The daemon makes no vault by itself."""
    vault = new_vault(start=False, initialize=False)
    code, log = vault.fail_to_start()
    assert code == CONFIG and "root.key" in log, log
    assert not (vault.directory / "data" / "keyring").exists()


def test_init_twice_changes_nothing(stopped):
    """A second `strongroom init` refuses, and the vault lives."""
    before = {name: (stopped.directory / name).read_bytes() for name in ("root.key", "data/keyring")}
    done = subprocess.run([strongroom.COMMAND, "init", "--config", stopped.config], capture_output=True, timeout=30)
    assert done.returncode != 0
    assert before == {name: (stopped.directory / name).read_bytes() for name in before}
    still_good(stopped)


def test_init_leaves_everything_to_its_owner_alone(new_vault):
    """Root key 0600, data directory 0700, keyring for the owner only."""
    vault = new_vault()
    assert (vault.directory / "root.key").stat().st_mode & 0o777 == 0o600
    assert vault.data.stat().st_mode & 0o777 == 0o700
    for path in vault.data.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_socket_file_left_by_a_kill_is_replaced(new_vault):
    """kill -9 leaves both socket files; the next start takes their place and both serve."""
    vault = new_vault()
    vault.kill()
    assert os.path.exists(vault.unix)
    vault.start()
    assert vault.client("checkout", unix=True).tokenize(PAN)
    assert vault.status()["pid"] == vault.pid
    assert vault.stop() == 0


@pytest.mark.parametrize("which", ["unix", "control"])
def test_a_file_in_the_place_of_a_socket_is_not_touched(stopped, which):
    """Something that is no socket is refused, and still there afterwards."""
    path = stopped.directory / stopped.values["listen"][which]
    path.unlink(missing_ok=True)
    path.write_text("precious")
    code, log = stopped.fail_to_start()
    assert code == CONFIG and "not a socket" in log and path.name in log, log
    assert path.read_text() == "precious"
    path.unlink()
    still_good(stopped)
