"""How long a key version lives: warnings, rotations without being asked, and a stop where neither helped."""
import time

import cards
import strongroom

PAN = "4111111111111111"


def limited(**keys):
    return strongroom.settings(keys=keys)


def tokenize_many(vault, count, start=0):
    """That many cards, in batches; the statuses."""
    pans = cards.make_pans(count, start=start)
    client = vault.client("checkout")
    return [
        client.post("/v1/tokenize", {"cards": [{"pan": pan} for pan in pans[at : at + 500]]}).status
        for at in range(0, count, 500)]


def eventually(check, within=10.0):
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


#: What each start counts for what a crash may have lost.
RESERVE = 16_384


def test_encryptions_are_counted_and_a_crash_never_makes_them_fewer(new_vault):
    """Each start counts a reserve, each record one, each update one, each subject one."""
    vault = new_vault()

    def count():
        return next(key["encryptions"] for key in vault.keys()["versions"] if key["purpose"] == "data")

    assert count() == RESERVE
    client = vault.client("checkout")
    client.tokenize(PAN)
    assert count() == RESERVE + 1
    client.tokenize(PAN)
    assert count() == RESERVE + 1, "a known card is not sealed again"
    client.tokenize(PAN, expiry="2031-01")
    assert count() == RESERVE + 2
    client.tokenize(PAN, subject="anna")
    assert count() == RESERVE + 4
    vault.kill()
    vault.start()
    assert count() == 2 * RESERVE + 4


def test_a_key_that_has_done_its_encryptions_is_rotated_without_being_asked(new_vault):
    """First a warning, then the rotation; the receipt says why."""
    vault = new_vault(limited(
        data_encryptions={"limit": 40_000, "warn": 50, "rotate": 60, "refuse": 100}, move_rate=None))
    assert vault.keys()["use"]["data"]["level"] == "fine"
    assert set(tokenize_many(vault, 4000)) == {200}
    eventually(lambda: vault.keys()["use"]["data"]["level"] == "warn")
    assert "key_near_its_end" in vault.log and vault.metrics()['strongroom_key_level{purpose="data"}'] == 1
    assert vault.versions() == {1: "active"}
    assert set(tokenize_many(vault, 4000, start=4000)) == {200}
    eventually(lambda: 2 in vault.versions())
    vault.wait_for_jobs()
    assert vault.versions() == {1: "destroyed", 2: "active"}
    (receipt,) = vault.keys()["receipts"]
    assert receipt["reason"] == "encryptions" and receipt["rotation"]["requested_by"] == "automatic"
    # Moving the records spent the new key's encryptions.
    eventually(lambda: vault.keys()["use"]["data"]["encryptions"] >= 8000)


def test_a_key_past_its_last_encryption_encrypts_no_more_and_the_rest_goes_on(new_vault):
    """With automatic rotation off: `key_exhausted`, reveals and forgets as ever, and a rotation ends it."""
    vault = new_vault(limited(data_encryptions={"limit": 20_000, "warn": None, "rotate": None, "refuse": 100}))
    client = vault.client("checkout")
    token = client.tokenize(PAN)
    other = client.tokenize("5555555555554444")
    tokenize_many(vault, 5000)
    answer = client.post("/v1/tokenize", {"pan": "378282246310005"})
    assert (answer.status, answer.code) == (503, "key_exhausted")
    bulk = client.post("/v1/tokenize", "378282246310005\n", type="text/plain")
    assert bulk.lines == ["!key_exhausted"]
    assert vault.client("billing").detokenize(token) == PAN and client.forget(other) == 1
    eventually(lambda: vault.metrics()['strongroom_key_level{purpose="data"}'] == 3)
    assert "key_exhausted" in vault.log
    vault.restart()
    assert vault.client("checkout").post("/v1/tokenize", {"pan": "378282246310005"}).code == "key_exhausted"
    # 20,000 more are as many as the new key may do, and the records want a part of them.
    vault.rotate()
    assert vault.client("checkout").tokenize("378282246310005")
    assert vault.client("billing").detokenize(token) == PAN


def test_a_key_that_is_too_old_is_rotated_and_one_that_cannot_be_is_refused(new_vault):
    """By the clock that counts seconds of the world; index keys are left to operators by default."""
    vault = new_vault(limited(data_period={"length": "3s", "warn": 50, "rotate": 100, "refuse": None}))
    token = vault.client("checkout").tokenize(PAN)
    eventually(lambda: vault.versions().get(2))
    eventually(lambda: vault.versions().get(1) == "destroyed")
    assert vault.keys()["receipts"][0]["reason"] == "age"
    assert vault.versions("index") == {1: "active"}
    vault.values["keys"] = {"data_period": {"length": "1s", "warn": None, "rotate": None, "refuse": 100}}
    vault.write_config()
    assert vault.reload()
    eventually(lambda: vault.client("checkout").post("/v1/tokenize", {"pan": PAN}).code == "key_exhausted")
    assert vault.client("billing").detokenize(token) == PAN
    vault.values["keys"] = {"data_period": {"length": "90d"}, "index_period": {"length": "1s", "rotate": 100}}
    vault.write_config()
    assert vault.reload()
    eventually(lambda: vault.versions("index").get(1) == "destroyed")
    assert vault.client("checkout").tokenize(PAN) == token


def test_a_rotation_whose_new_key_is_used_up_can_be_followed_by_another(new_vault):
    """Otherwise nothing could ever move again: all older versions retire together."""
    vault = new_vault(limited(
        data_encryptions={"limit": 20_000, "warn": None, "rotate": None, "refuse": 100}, move_rate=800, move_slice=50))
    pans = cards.make_pans(3000)
    client = vault.client("checkout")
    tokens = [result["token"] for at in range(0, 3000, 1000) for result in client.tokenize_all(pans[at : at + 1000])]
    vault.order("/v1/keys/rotate")
    # Each start counts 16,384: two of them are more than the new key may do.
    vault.restart()
    vault.restart()
    eventually(lambda: vault.client("checkout").post("/v1/tokenize", {"pan": PAN}).code == "key_exhausted")
    (job,) = vault.jobs()
    assert job["to"] == 2 and job["done"] < 3000
    vault.order("/v1/keys/rotate")
    vault.wait_for_jobs()
    assert vault.versions() == {1: "destroyed", 2: "destroyed", 3: "active"}
    assert [answer["pan"] for answer in vault.client("billing").detokenize_all(tokens)] == pans
    assert vault.client("checkout").tokenize(PAN)


def test_a_reload_costs_no_encryptions(new_vault):
    """Nothing is lost at one, so nothing has to be counted for it."""
    vault = new_vault()
    before = vault.keys()["versions"][0]["encryptions"]
    assert vault.reload() and vault.reload()
    assert vault.keys()["versions"][0]["encryptions"] == before


def test_limits_that_contradict_each_other_are_refused(new_vault):
    """With the line that does."""
    vault = new_vault(limited(data_encryptions={"warn": 90, "rotate": 80}), start=False, initialize=False)
    code, text = vault.check_config()
    assert code == 78 and "keys.data_encryptions.warn: is 90, above 'rotate' (80)" in text
    vault.values["keys"] = {"data_encryptions": {"limit": 1 << 31}}
    vault.write_config()
    code, text = vault.check_config()
    assert code == 78 and "1073741824" in text
