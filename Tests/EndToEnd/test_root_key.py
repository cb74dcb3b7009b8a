"""The root key: from file to credential, token and shares and back, sealed and unsealed, and keyrings that are not the
right one.
"""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import strongroom
import wire

PAN = "5555555555554444"
SOFTHSM = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")


def configure(vault, **root):
    """Writes another root key into the configuration."""
    vault.values["root_key"] = root
    vault.write_config()


class Sheet:
    """What the vault hands out when it splits a root key."""

    def __init__(self, answer):
        lines = answer.decode("ascii").splitlines()
        word, self.ceremony, self.threshold, self.count, self.set = lines[0].split(" ")
        assert word == "ceremony"
        rows = [line.split("\t") for line in lines[1:]]
        assert [int(row[0]) for row in rows] == list(range(1, int(self.count) + 1))
        self.names = [row[1] for row in rows]
        self.shares = [row[2] for row in rows]


def split(vault, path, user=None):
    """Asks for shares, and says that they are safe."""
    status, answer = vault.control(path, "POST", user=user)
    assert status == 200, answer
    sheet = Sheet(answer)
    assert vault.order(f"/v1/shares/commit?ceremony={sheet.ceremony}", user=user)["set"] == sheet.set
    return sheet


def enter(vault, *shares):
    """Enters shares; the last answer."""
    for share in shares:
        answer = vault.order("/v1/unseal", body=share.encode())
    return answer


def refuse(vault, share, code):
    """A share that must be refused, by name and without a word of it in the answer."""
    status, answer = vault.control("/v1/unseal", "POST", share.encode())
    assert status == 422 and f'"code":"{code}"'.encode() in answer, answer
    assert not share[20:40] or share[20:40].encode() not in answer


@pytest.fixture
def shared_vault(new_vault):
    """A vault whose root key is in 3 of 5 shares, with a card in it: the vault, the sheet, and the card's token."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    sheet = split(vault, "/v1/keys/rewrap?root=shares:3/5:anna,ben,cleo,dan,eva")
    configure(vault, shares={"threshold": 3, "count": 5})
    return vault, sheet, token


def test_a_vault_in_shares_starts_sealed_and_opens_when_enough_are_entered(shared_vault):
    """Clients get `sealed`, strangers their usual answer; probes and status say it; shares come over separate sessions."""
    vault, sheet, token = shared_vault
    vault.stop()
    vault.launch()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if vault.operations("/readyz") == (503, "sealed\n"):
                break
        except OSError:
            time.sleep(0.02)
    assert vault.operations("/readyz") == (503, "sealed\n") and vault.operations("/livez") == (200, "live\n")
    status = vault.status()
    assert status["sealed"] is True and status["unseal"] == {"have": 0, "need": 3, "set": sheet.set}
    assert "keys" not in status and "store" not in status and status["root"] == "shares (3 of 5)"
    assert vault.client("billing").post("/v1/detokenize", {"purpose": "charge", "token": token}).code == "sealed"
    assert vault.client("checkout").post("/v1/tokenize", {"pan": PAN}).code == "sealed"
    assert vault.client("checkout").post("/v1/tokenize", "x", type="text/plain").code == "sealed"
    assert vault.client("stranger").post("/v1/tokenize", {"pan": PAN}).code == "unknown_client"
    for path in ("/v1/keys", "/v1/pending", "/v1/shares"):
        assert vault.control(path)[0] == 503
    assert vault.control("/v1/keys/rotate", "POST")[0] == 503

    assert enter(vault, sheet.shares[4]) == {"sealed": True, "have": 1, "need": 3}
    assert enter(vault, sheet.shares[1].lower().replace("-", " ")) == {"sealed": True, "have": 2, "need": 3}
    assert vault.status()["unseal"]["have"] == 2
    assert enter(vault, sheet.shares[2]) == {"sealed": False, "have": 3, "need": 3}
    assert vault.is_ready() and vault.client("billing").detokenize(token) == PAN
    vault.rotate("all")
    assert vault.client("billing").detokenize(token) == PAN


def test_wrong_repeated_and_foreign_shares_are_refused_by_name(shared_vault, new_vault):
    """And three shares of which one is not what it was open nothing: all are wiped."""
    vault, sheet, token = shared_vault
    other = new_vault()
    foreign = split(other, "/v1/keys/rewrap?root=shares:3/5")
    vault.order("/v1/seal")
    enter(vault, sheet.shares[0])
    refuse(vault, sheet.shares[0], "share_repeated")
    refuse(vault, foreign.shares[1], "share_foreign")
    refuse(vault, sheet.shares[1][:-1] + ("0" if sheet.shares[1][-1] != "0" else "1"), "share_mistyped")
    refuse(vault, sheet.shares[1][:-5], "share_malformed")
    refuse(vault, "x" * 4000, "share_malformed")
    refuse(vault, "", "share_malformed")
    assert vault.status()["unseal"]["have"] == 1, "a refused share cost the good one"
    vault.order("/v1/unseal/reset")
    assert vault.status()["unseal"]["have"] == 0
    enter(vault, *sheet.shares[:3])
    assert vault.client("billing").detokenize(token) == PAN


def test_new_shares_make_the_old_ones_useless(shared_vault):
    """A refresh keeps the root key and the custodians; old shares are of a set that is gone."""
    vault, old, token = shared_vault
    before = vault.keys()["root"]
    new = split(vault, "/v1/shares/refresh")
    assert new.names == old.names == ["anna", "ben", "cleo", "dan", "eva"] and new.set != old.set
    assert vault.keys()["root"]["since"] == before["since"], "the root key is the same"
    vault.order("/v1/seal")
    refuse(vault, old.shares[0], "share_foreign")
    # The keyring of before and the shares of before do open: a backup is what it was.
    enter(vault, *new.shares[2:])
    assert vault.client("billing").detokenize(token) == PAN

    # A custodian leaves: the others get new shares, and the one who left gets none again.
    third = split(vault, "/v1/shares/split?threshold=3&count=4&custodians=anna,ben,cleo,dan")
    configure(vault, shares={"threshold": 3, "count": 4})
    status, answer = vault.control("/v1/shares/split?threshold=2&count=2&custodians=anna,eva", "POST")
    assert status == 409 and b"former_custodian" in answer and b"eva" in answer
    vault.order("/v1/shares/acknowledge?custodian=dan")
    register = vault.order("/v1/shares", "GET")
    assert register["threshold"] == 3 and register["count"] == 4 and register["set"] == third.set
    current = {row["name"]: row for row in register["custodians"] if row["current"]}
    assert sorted(current) == ["anna", "ben", "cleo", "dan"] and current["dan"]["acknowledged"] > 0
    assert current["anna"]["acknowledged"] == 0 and current["dan"]["acknowledged_by"]
    assert sum(row["name"] == "eva" for row in register["custodians"]) == 2
    assert all(row["until"] > 0 for row in register["custodians"] if row["name"] == "eva")
    vault.restart_sealed(third.shares[:3])
    assert vault.client("billing").detokenize(token) == PAN


def test_shares_that_were_not_said_to_be_safe_change_nothing(new_vault):
    """An answer lost on its way costs nothing: the vault opens as before."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    generation = vault.keys()["generation"]
    status, answer = vault.control("/v1/keys/rewrap?root=shares:2/3", "POST")
    assert status == 200 and Sheet(answer).names == ["custodian-1", "custodian-2", "custodian-3"]
    assert vault.keys()["generation"] == generation
    vault.restart()
    assert vault.client("billing").detokenize(token) == PAN
    status, answer = vault.control("/v1/keys/rewrap?root=shares:2/3", "POST")
    vault.order(f"/v1/shares/cancel?ceremony={Sheet(answer).ceremony}")
    vault.order(f"/v1/shares/commit?ceremony={Sheet(answer).ceremony}", expect=404)


def test_shares_that_are_ready_do_not_outlive_a_rewrap(new_vault):
    """Put in force after it they would lock the vault for ever: the root key they give wraps nothing any more."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    sheet = Sheet(vault.control("/v1/keys/rewrap?root=shares:2/2", "POST")[1])
    vault.order(f"/v1/keys/rewrap?root=file:{vault.directory}/other.key")
    vault.order(f"/v1/shares/commit?ceremony={sheet.ceremony}", expect=404)
    configure(vault, file="other.key")
    vault.restart()
    assert vault.client("billing").detokenize(token) == PAN
    # A root key that is not in shares cannot be split as it is: the file would go on opening the vault.
    status, answer = vault.control("/v1/shares/split?threshold=2&count=2", "POST")
    assert status == 409 and b"no_shares" in answer


def test_what_an_operator_may_not_make_the_daemon_read_or_run(new_vault, tmp_path):
    """A module that others than root can change, a key inside the data directory, a key of another user."""
    vault = new_vault()
    module = tmp_path / "module.so"
    shutil.copy("/bin/true", module)
    module.chmod(0o777)
    pin = tmp_path / "pin"
    pin.write_text("1\n")
    pin.chmod(0o600)
    uri = f"pkcs11:token=a;object=b?module-path={module}%26pin-source={pin}"
    for root, code in (
            (uri, b"only root may"), (f"file:{vault.data}/root.key", b"inside the data directory"),
            (f"file:{vault.directory}/x/../data/root.key", b"inside the data directory")):
        status, answer = vault.control(f"/v1/keys/rewrap?root={root}", "POST")
        assert status == 422 and code in answer, answer
    assert not (vault.data / "root.key").exists()
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign.key"
        foreign.write_bytes(os.urandom(32))
        foreign.chmod(0o600)
        os.chown(foreign, 65534, 65534)
        status, answer = vault.control(f"/v1/keys/rewrap?root=file:{foreign}", "POST")
        assert status == 422 and b"another user" in answer


def test_sealing_takes_the_keys_away_at_once_and_unsealing_brings_them_back(new_vault):
    """Also from a bulk stream under way: its next lines are `sealed`."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    head = (
        "POST /v1/detokenize HTTP/1.1\r\nHost: vault.internal\r\nContent-Type: text/plain\r\n"
        "Strongroom-Purpose: charge\r\nTransfer-Encoding: chunked\r\n\r\n")
    with vault.connect("billing", timeout=10) as stream:
        stream.send(head.encode() + wire.chunk(f"{token}\n".encode() * 3))
        assert stream.reader.head()[0] == 200
        chunks = stream.reader.chunks()
        assert next(chunks) == f"{PAN}\n".encode() * 3
        vault.order("/v1/seal")
        stream.send(wire.chunk(f"{token}\n".encode() * 3))
        assert next(chunks) == b"!sealed\n" * 3
    assert vault.client("billing").post("/v1/detokenize", {"purpose": "charge", "token": token}).code == "sealed"
    vault.order("/v1/seal", expect=503)
    assert vault.reload(), "a sealed vault takes a configuration"
    assert vault.order("/v1/unseal") == {"sealed": False, "have": 0, "need": 0}
    assert vault.client("billing").detokenize(token) == PAN
    for _ in range(20):
        vault.order("/v1/seal")
        vault.order("/v1/unseal")
    assert vault.client("billing").detokenize(token) == PAN
    assert vault.open_files() < 40


def test_a_rewrap_to_another_file_leaves_the_old_root_key_useless(new_vault):
    """No record is touched; the configuration has to follow, and a reload takes it."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    old = (vault.directory / "root.key").read_bytes()
    stored = (vault.data / "vault" / "data.mdb").stat().st_size
    answer = vault.order(f"/v1/keys/rewrap?root=file:{vault.directory}/new.key")
    assert answer["rewrapped"] == "file" and answer["configure"] == f"root_key: {{file: {vault.directory}/new.key}}"
    new = vault.directory / "new.key"
    assert new.stat().st_mode & 0o777 == 0o600 and new.stat().st_size == 32 and new.read_bytes() != old
    assert (vault.data / "vault" / "data.mdb").stat().st_size == stored
    status, body = vault.control(f"/v1/keys/rewrap?root=file:{vault.directory}/new.key", "POST")
    assert status == 409 and b"same_root_key" in body
    # The old configuration does not open it any more.
    vault.stop()
    code, log = vault.fail_to_start()
    assert code == 78 and "root key is not the one" in log
    configure(vault, file="new.key")
    vault.start()
    assert vault.reload() and vault.client("billing").detokenize(token) == PAN
    vault.rotate()
    assert vault.client("billing").detokenize(token) == PAN


def test_the_root_key_may_be_a_credential_of_the_service(new_vault):
    """Read from $CREDENTIALS_DIRECTORY, which systemd fills; without it the start is refused."""
    vault = new_vault(start=False)
    directory = vault.directory / "credentials"
    directory.mkdir(0o700)
    shutil.copy(vault.directory / "root.key", directory / "vault-root")
    os.chmod(directory / "vault-root", 0o400)
    configure(vault, credential="vault-root")
    code, log = vault.fail_to_start()
    assert code == 78 and "CREDENTIALS_DIRECTORY" in log
    vault.environment["CREDENTIALS_DIRECTORY"] = str(directory)
    vault.start()
    token = vault.client("checkout").tokenize(PAN)
    fresh = directory / "next-root"
    fresh.write_bytes(os.urandom(32))
    fresh.chmod(0o400)
    assert vault.order("/v1/keys/rewrap?root=credential:next-root")["rewrapped"] == "credential"
    configure(vault, credential="next-root")
    vault.restart()
    assert vault.client("billing").detokenize(token) == PAN
    fresh.chmod(0o644)
    vault.stop()
    assert vault.fail_to_start()[0] == 77


@pytest.fixture
def token_directory(tmp_path):
    """A SoftHSM token of its own: the environment that names it, and a PIN file."""
    if not SOFTHSM.exists():
        pytest.skip(f"!!! no {SOFTHSM}: root keys in PKCS#11 tokens are NOT tested")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "vault token", "--pin", "7395", "--so-pin", "15973"],
        check=True, capture_output=True, env=os.environ | environment)
    pin = tmp_path / "pin"
    pin.write_text("7395\n")
    pin.chmod(0o600)
    return environment, pin


def test_the_root_key_may_stay_in_a_pkcs11_token(new_vault, token_directory):
    """Made in the token, wrapped and unwrapped by it; without token, PIN or key nothing opens, and each says which."""
    environment, pin = token_directory
    vault = new_vault(start=False)
    vault.environment.update(environment)
    vault.start()
    token = vault.client("checkout").tokenize(PAN)
    uri = f"pkcs11:token=vault%20token;object=root?module-path={SOFTHSM}&pin-source={pin}"
    quoted = uri.replace("%", "%25").replace("&", "%26")
    answer = vault.order(f"/v1/keys/rewrap?root={quoted}")
    assert answer["rewrapped"] == "pkcs11" and 'token: "vault token"' in answer["configure"]
    assert vault.keys()["root"]["kind"] == "pkcs11"
    settings = {"module": str(SOFTHSM), "token": "vault token", "key": "root", "pin_file": str(pin)}
    configure(vault, pkcs11=settings)
    vault.restart()
    assert vault.client("billing").detokenize(token) == PAN
    vault.rotate("all")
    vault.order("/v1/seal")
    vault.order("/v1/unseal")
    assert vault.client("billing").detokenize(token) == PAN
    # A second rewrap to the same token: a new root key under the same wrapping key.
    vault.order(f"/v1/keys/rewrap?root={quoted}")
    vault.restart()
    vault.stop()

    for change, code, said in (
            ({"key": "other"}, 78, "no secret key of this label"), ({"token": "other"}, 78, "no slot has a token"),
            ({"module": "/bin/true"}, 78, "cannot be loaded")):
        configure(vault, pkcs11={**settings, **change})
        got, log = vault.fail_to_start()
        assert got == code and said in log, log
    wrong = pin.parent / "wrong"
    wrong.write_text("0000\n")
    wrong.chmod(0o600)
    configure(vault, pkcs11={**settings, "pin_file": str(wrong)})
    got, log = vault.fail_to_start()
    assert got == 77 and "PIN" in log and "0000" not in log
    configure(vault, pkcs11=settings)
    vault.start()
    # And back to a file.
    vault.order(f"/v1/keys/rewrap?root=file:{vault.directory}/back.key")
    configure(vault, file="back.key")
    vault.restart()
    assert vault.client("billing").detokenize(token) == PAN


def test_a_configuration_of_another_kind_of_root_key_is_told_so(shared_vault):
    """At the start and at a reload, with what the keyring needs."""
    vault, _, _ = shared_vault
    configure(vault, shares={"threshold": 2, "count": 5})
    assert not vault.reload()
    configure(vault, file="root.key")
    assert not vault.reload()
    vault.stop()
    code, log = vault.fail_to_start()
    assert code == 78 and "shares (3 of 5)" in log


# The keyring must be the right one


def test_a_keyring_that_is_swapped_truncated_edited_or_older_is_refused(new_vault):
    """With what is wrong, before anything is served or touched."""
    vault, other = new_vault(), new_vault()
    token = vault.client("checkout").tokenize(PAN)
    vault.stop()
    keyring = vault.data / "keyring"
    older = keyring.read_bytes()
    vault.start()
    vault.rotate()
    vault.stop()
    other.stop()
    newest = keyring.read_bytes()

    def refused(content, code, *said):
        keyring.write_bytes(content)
        keyring.chmod(0o600)
        before = (vault.data / "vault" / "data.mdb").read_bytes()
        got, log = vault.fail_to_start()
        assert got == code and all(word in log for word in said), (got, log)
        assert (vault.data / "vault" / "data.mdb").read_bytes() == before

    refused(older, 78, "generation 1", "generation 3", "older")
    refused((other.data / "keyring").read_bytes(), 78, "not the one this keyring was wrapped under")
    refused(newest[:-1], 65, "damaged")
    refused(newest[:100], 65, "damaged")
    refused(newest[:10], 65, "not a keyring")
    refused(b"", 65, "not a keyring")
    refused(newest + b"\0", 65, "damaged")
    for place in (20, 47, 48, 60, 64, 124, 130, 200, len(newest) - 1):
        edited = bytearray(newest)
        edited[place] ^= 1
        keyring.write_bytes(edited)
        got, log = vault.fail_to_start()
        assert got in (65, 78) and "keyring" in log, (place, got, log)
    keyring.write_bytes(newest)
    vault.start()
    assert vault.client("billing").detokenize(token) == PAN


@pytest.mark.parametrize("case", ["copied", "older database", "epoch file lost", "epoch file of another start"])
def test_a_restored_or_copied_directory_begins_a_new_data_key_before_it_encrypts(new_vault, case):
    """How often the key was used since then is not known. Cards are served as before."""
    vault = new_vault()
    token = vault.client("checkout").tokenize(PAN)
    vault.stop()
    kept = vault.directory / "kept"
    shutil.copytree(vault.data, kept)
    vault.start()
    vault.client("checkout").tokenize("4111111111111111")
    vault.stop()
    store = vault.data / "vault" / "data.mdb"
    if case == "copied":
        copy = store.read_bytes()
        store.unlink()
        store.write_bytes(copy)
        store.chmod(0o600)
    elif case == "older database":
        store.write_bytes((kept / "vault" / "data.mdb").read_bytes())
    elif case == "epoch file lost":
        (vault.data / "epoch").unlink()
    else:
        (vault.data / "epoch").write_bytes((kept / "epoch").read_bytes())
    vault.start()
    assert vault.versions()[2] == "active"
    assert vault.client("billing").detokenize(token) == PAN
    vault.wait_for_jobs()
    assert vault.versions() == {1: "destroyed", 2: "active"}
    assert vault.keys()["receipts"][0]["reason"] == "restored"
    # Once is enough.
    vault.restart()
    assert vault.versions() == {1: "destroyed", 2: "active"}


def test_an_epoch_file_on_another_volume_tells_a_directory_that_went_back_as_a_whole(new_vault, tmp_path):
    """Keyring, database and all put back in place: only what lies elsewhere remembers."""
    vault = new_vault(strongroom.settings(keys={"epoch_file": str(tmp_path / "epoch")}))
    token = vault.client("checkout").tokenize(PAN)
    vault.stop()
    whole = {path: path.read_bytes() for path in vault.data.rglob("*") if path.is_file()}
    vault.start()
    vault.stop()
    for path, content in whole.items():
        path.write_bytes(content)
    vault.start()
    assert vault.client("billing").detokenize(token) == PAN
    vault.wait_for_jobs()
    assert vault.versions() == {1: "destroyed", 2: "active"}
