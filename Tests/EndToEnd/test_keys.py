"""Keys turn over while the vault serves: data keys, index keys, what stays exact meanwhile, and what is left behind."""
import json
import random
import shutil
import subprocess
import threading
import time

import pytest

import cards
import strongroom

PAN = "4111111111111111"


def slow(**keys):
    """Settings under which a rotation takes long enough to look at."""
    return strongroom.settings(keys={"move_rate": 2000, "move_slice": 50, **keys})


def many(count, seed=1):
    """That many different card numbers."""
    return cards.make_pans(count, start=seed * 1_000_000)


def tokenized(vault, pans):
    """Their tokens."""
    client, tokens = vault.client("checkout"), []
    for start in range(0, len(pans), 1000):
        tokens += [result["token"] for result in client.tokenize_all(pans[start : start + 1000])]
    return tokens


def revealed(vault, tokens):
    """Their cards."""
    return [result["pan"] for result in vault.client("billing").detokenize_all(tokens)]


def test_a_rotation_moves_every_record_destroys_the_old_key_and_leaves_a_receipt(new_vault):
    """Every card is served at every moment, the counters are exact, and the receipt says what happened."""
    vault = new_vault(slow())
    pans = many(3000)
    tokens = tokenized(vault, pans)
    before = vault.keys()["generation"]
    answer = vault.order("/v1/keys/rotate")
    assert answer == {"rotating": [{"purpose": "data", "version": 2}], "fingerprints_change": False}
    assert vault.versions() == {1: "retiring", 2: "active"}
    seen = []
    while jobs := vault.jobs():
        seen.append((jobs[0]["state"], jobs[0]["done"]))
        assert jobs[0]["from"] == [1] and jobs[0]["to"] == 2 and jobs[0]["total"] == 3000
        assert revealed(vault, tokens[::10]) == pans[::10]
    assert len({done for _, done in seen}) > 3, "the progress was not to be seen"
    assert [done for _, done in seen] == sorted(done for _, done in seen)
    assert revealed(vault, tokens) == pans

    keys = vault.keys()
    assert vault.versions() == {1: "destroyed", 2: "active"}
    by_version = {key["version"]: key for key in keys["versions"] if key["purpose"] == "data"}
    assert by_version[1]["records"] == 0 and by_version[1]["moved"] == 3000
    assert by_version[2]["records"] == 3000 and by_version[2]["encryptions"] >= 3000
    assert keys["generation"] == before + 2
    (receipt,) = keys["receipts"]
    assert receipt["purpose"] == "data" and receipt["version"] == 1 and receipt["records_moved"] == 3000
    assert receipt["created"] <= receipt["retired"] <= receipt["destroyed"] and receipt["generation"] == before + 2
    assert receipt["rotation"] == receipt["destruction"] and "(" in receipt["rotation"]["requested_by"]
    assert len(receipt["hash"]) == 64
    # And it survives a restart.
    vault.restart()
    assert vault.versions() == {1: "destroyed", 2: "active"} and vault.keys()["receipts"] == [receipt]
    assert revealed(vault, tokens) == pans
    assert_sound(vault)


def assert_sound(vault):
    done = subprocess.run(
        [strongroom.COMMAND, "verify", "--json", "--config", vault.config], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_goes_on_during_a_rotation(new_vault):
    """Tokenize, find, inspect, forget, update and reveal while records move, from several connections; not one request
    fails.
    """
    vault = new_vault(slow(move_rate=1500))
    known = dict(zip(tokenized(vault, pans := many(2500)), pans))
    vault.order("/v1/keys/rotate?purpose=all")
    assert {job["purpose"] for job in vault.jobs()} == {"data", "index"}
    stop, failures, lock = threading.Event(), [], threading.Lock()

    def run(seed):
        chance = random.Random(seed)
        checkout, billing = vault.new_client("checkout"), vault.new_client("billing")
        mine = {}
        try:
            while not stop.is_set():
                token, pan = chance.choice(list(known.items()))
                assert checkout.tokenize(pan) == token, "a second token for a card"
                assert checkout.post("/v1/find", {"format": "cards", "pan": pan}).json() == {"token": token}
                assert billing.detokenize(token) == pan
                assert checkout.inspect(token)["last4"] == pan[-4:]
                fresh = cards.random_pan(prefix="51", generator=chance)
                made = checkout.tokenized(fresh, expiry="2031-07", subject=f"s{seed}")["token"]
                assert checkout.tokenized(fresh, expiry="2032-01", subject=f"s{seed}")["token"] == made
                mine[made] = fresh
                if len(mine) > 20:
                    gone = chance.choice(list(mine))
                    del mine[gone]
                    assert checkout.forget(gone) == 1
                    assert billing.post("/v1/detokenize", {"purpose": "charge", "token": gone}).code == "not_found"
        except BaseException as error:  # seen below
            failures.append(error)
        finally:
            checkout.close()
            billing.close()
            with lock:
                kept.update(mine)

    kept = {}
    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        vault.wait_for_jobs(120)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures, failures
    tokens = list(known) + list(kept)
    assert revealed(vault, tokens) == [{**known, **kept}[token] for token in tokens]
    assert vault.versions() == {1: "destroyed", 2: "active"}
    assert vault.versions("index") == {1: "destroyed", 2: "active"}
    assert_sound(vault)


def test_fingerprints_stay_with_data_keys_and_change_with_index_keys(new_vault):
    """The answer names the index key version, so that two fingerprints are known to be comparable or not."""
    vault = new_vault()
    client = vault.client("checkout")

    def fingerprint():
        answer = client.post("/v1/fingerprint", {"pan": PAN})
        assert answer.status == 200, answer
        return answer.json()["fingerprint"], answer.headers["strongroom-fingerprint-key"]

    first = fingerprint()
    assert first[1] == "1"
    vault.rotate("data")
    assert fingerprint() == first
    answer = vault.order("/v1/keys/rotate?purpose=index")
    assert answer["fingerprints_change"] is True
    vault.wait_for_jobs()
    second = fingerprint()
    assert second[1] == "2" and second[0] != first[0]


def test_request_ids_are_remembered_across_an_index_rotation(new_vault):
    """Under `reuse: never` a retry gets the first token; the old index key lives for as long as that needs it."""
    vault = new_vault(strongroom.settings(
        formats={"cards": {"keep": "last4"}, "once": {"reuse": "never"}},
        clients=[strongroom.client("checkout", ["tokenize"], ["cards", "once"])]))
    client = vault.client("checkout")
    order = {"pan": PAN, "format": "once", "request_id": "order-1"}
    token = client.post("/v1/tokenize", order).json()["token"]
    vault.order("/v1/keys/rotate?purpose=index")
    deadline = time.monotonic() + 20
    while vault.jobs()[0]["state"] != "waiting" and time.monotonic() < deadline:
        time.sleep(0.02)
    (job,) = vault.jobs()
    assert job["state"] == "waiting" and "remembered" in job["reason"]
    assert client.post("/v1/tokenize", order).json()["token"] == token
    vault.restart()
    assert vault.client("checkout").post("/v1/tokenize", order).json()["token"] == token
    assert vault.versions("index") == {1: "retiring", 2: "active"}


@pytest.mark.parametrize("path, status, code", [
    ("/v1/keys/rotate?purpose=data", 409, "rotation_under_way"),
    ("/v1/keys/rotate?purpose=all", 409, "rotation_under_way"),
    ("/v1/keys/rotate?purpose=none", 422, "malformed"),
    ("/v1/keys/rotate?purpose=root", 422, "malformed"),
    ("/v1/keys/rotate?purpos=data", 422, "malformed"),
    ("/v1/keys/rotate?purpose=data&purpose=data", 404, "not_found"),
    ("/v1/keys/rotate?purpose=%zz", 404, "not_found"),
    ("/v1/keys/destroy?version=2", 409, "version_active"),
    ("/v1/keys/destroy?version=1", 409, "version_in_use"),
    ("/v1/keys/destroy?version=7", 409, "no_such_version"),
    ("/v1/keys/destroy?version=-1", 422, "malformed"),
    ("/v1/keys/destroy?version=99999999999", 422, "malformed"),
    ("/v1/keys/destroy", 422, "malformed"),
    ("/v1/keys/rewrap?root=nothing", 422, "malformed"),
    ("/v1/keys/rewrap?root=file:relative", 422, "malformed"),
    ("/v1/keys/rewrap?root=shares:4/3", 422, "bad_threshold"),
    ("/v1/keys/rewrap?root=shares:1/3", 422, "bad_threshold"),
    ("/v1/keys/rewrap?root=shares:2/300", 422, "bad_threshold"),
    ("/v1/keys/rewrap?root=credential:absent", 422, "root_key_unusable"),
    ("/v1/keys/rewrap?root=pkcs11:token=a;object=b", 422, "malformed"),
    ("/v1/keys/rewrap?root=pkcs11:token=a;object=b?module-path=/nowhere.so%26pin-source=/nowhere", 422, "root_key_unusable"),
    ("/v1/shares/split?threshold=4&count=3", 422, "bad_threshold"),
    ("/v1/shares/split?threshold=2&count=3&custodians=anna,anna,ben", 422, "malformed"),
    ("/v1/shares/split?threshold=2&count=3&custodians=anna", 422, "malformed"),
    ("/v1/shares/refresh", 409, "no_shares"),
    ("/v1/shares/commit?ceremony=1", 404, "no_such_ceremony"),
    ("/v1/shares/acknowledge?custodian=nobody", 404, "no_such_custodian"),
    ("/v1/unseal", 409, "not_sealed"),
    ("/v1/approve?id=1", 404, "no_such_request"),
    ("/v1/reject?id=1", 404, "no_such_request"),
    ("/v1/keys/explode", 404, "not_found"),
])
def test_what_cannot_be_done_is_refused_by_name_and_changes_nothing(rotating, path, status, code):
    """Two rotations at once, destroying what is needed, and nonsense."""
    before = rotating.keys()
    got, body = rotating.control(path, "POST")
    assert (got, json.loads(body)["code"]) == (status, code), body
    assert len(json.loads(body)["title"]) > 10
    after = rotating.keys()
    assert after["generation"] == before["generation"] and after["root"] == before["root"]


@pytest.fixture(scope="module")
def rotating():
    """A vault in the middle of a rotation that takes for ever."""
    values = strongroom.settings(keys={"move_rate": 1, "move_slice": 1})
    with strongroom.Vault(values) as vault:
        tokenized(vault, many(500))
        vault.order("/v1/keys/rotate")
        yield vault
        assert vault.is_running


def test_a_rotation_goes_on_after_kill_9_and_after_a_stop(new_vault):
    """Nothing is lost or counted twice, whatever the moment; the job ends by itself."""
    vault = new_vault(slow(move_rate=3000))
    pans = many(4000)
    tokens = tokenized(vault, pans)
    vault.order("/v1/keys/rotate?purpose=all")
    for number in range(6):
        time.sleep(0.15)
        before = {job["purpose"]: job["done"] for job in vault.jobs()}
        if number % 2:
            vault.kill()
            vault.start()
        else:
            vault.restart()
        for job in vault.jobs():
            assert job["done"] >= before.get(job["purpose"], 0), "the progress went back"
        assert revealed(vault, tokens[::50]) == pans[::50]
    vault.wait_for_jobs(120)
    assert revealed(vault, tokens) == pans
    assert sum(r["records_moved"] for r in vault.keys()["receipts"]) == 8000
    assert_sound(vault)


def test_after_rotation_and_compaction_neither_old_key_nor_old_records_are_in_the_data_directory(new_vault, tmp_path):
    """And a copy of the database from before does not open with the keyring from after."""
    vault = new_vault()
    pans = many(2000)
    tokens = tokenized(vault, pans)
    vault.stop()
    before = tmp_path / "before"
    shutil.copytree(vault.data, before)
    sealed = ciphertexts(before / "vault")
    assert len(sealed) == 2000
    wrapped = (before / "keyring").read_bytes()[128 + 44 : 128 + 76]
    vault.start()
    vault.rotate()
    vault.stop()
    live = (vault.data / "vault" / "data.mdb").read_bytes()
    left = sum(record in live for record in sealed)
    compacted = tmp_path / "compacted"
    compacted.mkdir()
    subprocess.run(["mdb_copy", "-c", vault.data / "vault", compacted], check=True)
    shutil.copy(compacted / "data.mdb", vault.data / "vault" / "data.mdb")
    everything = b"".join(path.read_bytes() for path in vault.data.rglob("*") if path.is_file())
    assert not any(record in everything for record in sealed), "a record under the old key is still there"
    assert wrapped not in everything and wrapped in (before / "keyring").read_bytes()
    print(f"before compaction {left} of 2000 records under the old key were still in free pages")

    # The copied file lies in another place: the daemon begins a new key by itself and serves.
    vault.start()
    assert revealed(vault, tokens) == pans
    vault.wait_for_jobs()
    vault.stop()

    # The old database with the new keyring: the keys of its records are gone, and the start says so.
    (vault.data / "vault" / "data.mdb").write_bytes((before / "vault" / "data.mdb").read_bytes())
    code, log = vault.fail_to_start()
    assert code == 78 and "2000 entries are under data key version 1, which this keyring has destroyed" in log
    # With the keyring of that time it opens: a backup of both is a backup.
    (vault.data / "keyring").write_bytes((before / "keyring").read_bytes())
    vault.start()
    assert revealed(vault, tokens) == pans


def ciphertexts(directory):
    """Ciphertext and tag of every record, by LMDB's own tool."""
    done = subprocess.run(["mdb_dump", "-s", "tokens", directory], check=True, capture_output=True, text=True)
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith(" ")]
    return {bytes.fromhex(value)[32:64] for value in lines[1::2]}


def test_metrics_show_every_number_of_a_rotation(new_vault):
    """Progress, rate, ages, counts, receipts."""
    vault = new_vault(slow(move_rate=1000))
    tokenized(vault, many(1500))
    vault.order("/v1/keys/rotate")
    time.sleep(0.7)
    metrics = vault.metrics()
    labels = '{purpose="data",state="moving"}'
    assert 0 < metrics[f"strongroom_rotation_done{labels}"] < 1500
    assert metrics[f"strongroom_rotation_total{labels}"] == 1500
    assert metrics[f"strongroom_rotation_rate{labels}"] > 100
    assert metrics["strongroom_key_rotations_total"] == 1 and metrics["strongroom_sealed"] == 0
    assert metrics['strongroom_key_records{purpose="data",state="retiring",version="1"}'] > 0
    vault.wait_for_jobs()
    metrics = vault.metrics()
    assert metrics["strongroom_keys_destroyed_total"] == 1 and metrics["strongroom_rotation_moved_total"] == 1500
    assert metrics['strongroom_key_moved{purpose="data",state="destroyed",version="1"}'] == 1500
