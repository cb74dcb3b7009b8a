"""SIGKILL while cards are tokenized from every side.

A kill keeps the kernel's page cache, so this proves that the daemon recovers by itself, not that the disk has the data:
test_replay.py is about the disk.
"""

import threading
import time

import test_key_kills as keys
import vault as vaults


class Load:
    """Clients that tokenize until the daemon is gone, and remember what was answered."""

    def __init__(self, vault, source, shared):
        self.vault = vault
        self.shared = shared
        self.lock = threading.Lock()
        #: (card, token) in the order of the answers
        self.acknowledged = []
        #: batches whose answer never came
        self.unanswered = []
        self.refused = 0
        self.threads = []
        for body, count in ((self.singles, 4), (self.batches, 2), (self.bulk, 2)):
            for _ in range(count):
                own = vaults.random.Random(source.random())
                self.threads.append(threading.Thread(target=self.run, args=(body, own), daemon=True))

    def run(self, body, source):
        try:
            with self.vault.client() as client:
                body(client, source)
        except vaults.Gone:
            pass

    def answered(self, pans, tokens):
        with self.lock:
            self.acknowledged += zip(pans, tokens)

    def singles(self, client, source):
        # Half of them cards that other connections tokenize at the same moment.
        while True:
            pan = source.choice(self.shared) if source.random() < 0.5 else vaults.card(source)
            token = client.tokenize(pan)
            if token is None:
                self.refused += 1
            else:
                self.answered([pan], [token])

    def batches(self, client, source):
        while True:
            pans = vaults.cards(source, source.choice((2, 10, 50, 200)))
            try:
                self.answered(pans, client.tokenize_all(pans))
            except vaults.Gone:
                with self.lock:
                    self.unanswered.append(pans)
                raise

    def bulk(self, client, source):
        client.bulk_open()
        while True:
            pans = [source.choice(self.shared) if source.random() < 0.1 else vaults.card(source) for _ in range(40)]
            client.bulk_send(pans)
            for pan in pans:
                answer = client.bulk_answer()
                if answer.startswith("!"):
                    self.refused += 1
                else:
                    self.answered([pan], [answer])

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs after the daemon was killed"


def test_every_acknowledged_token_survives_kill_9_and_no_card_has_two_tokens(make_vault, source):
    """50 rounds (STRONGROOM_KILL_ROUNDS for more) of load on 8 connections, SIGKILL at a random moment, restart.

    Keys of both kinds turn over meanwhile. After each: ready again within a second, every acknowledged token gives its card, a card never has two tokens nor a
    token two cards, and a batch without an answer is there whole or not at all.
    """
    rounds = vaults.knob("STRONGROOM_KILL_ROUNDS", 50)
    vault = make_vault(extra="keys: {move_slice: 100}\n")
    shared = vaults.cards(source, 2000)
    token_of, card_of, starts, halves = {}, {}, [], 0
    vault.start()
    for number in range(rounds):
        load = Load(vault, source, shared)
        load.start()
        # Mostly there is one under way from an earlier round.
        keys.control(vault, f"/v1/keys/rotate?purpose={source.choice(('data', 'index', 'all'))}")
        time.sleep(source.uniform(0.02, 0.4))
        vault.kill()
        load.join()
        assert load.refused == 0, f"round {number}: refused {load.refused} requests of a healthy vault"
        starts.append(vault.start())

        fresh = set()
        for pan, token in load.acknowledged:
            assert token_of.setdefault(pan, token) == token, f"round {number}: a card has two tokens"
            assert card_of.setdefault(token, pan) == pan, f"round {number}: a token was given for two cards"
            fresh.add((token, pan))
        wrong = vault.wrong(sorted(fresh))
        assert not wrong, f"round {number}: {len(wrong)} of {len(fresh)} acknowledged tokens lost or wrong: {wrong[:3]}"
        halves += check_unanswered(vault, load, token_of, card_of, number)

    assert keys.wait_for_jobs(vault, 120)
    destroyed = len(keys.control(vault, "/v1/keys", "GET")[1]["receipts"])
    everything = [(token, pan) for pan, token in token_of.items()]
    wrong = vault.wrong(everything)
    assert not wrong, f"{len(wrong)} of {len(everything)} tokens of all rounds lost or wrong: {wrong[:3]}"
    vault.check_sound("after the last round")
    # The control: a token that is really gone must be missed.
    gone = everything[source.randrange(len(everything))]
    with vault.client() as client:
        assert client.call("forget", {"token": gone[0]}) == (200, {"forgotten": 1})
    assert vault.wrong(everything) == [(gone[0], "!not_found")]
    assert vault.stop() == 0
    slow = [seconds for seconds in starts if seconds > 1]
    print(
        f"{rounds} kills, {len(everything)} tokens acknowledged, {halves} unanswered batches, {destroyed} keys "
        f"destroyed; "
        f"ready after {sorted(starts)[rounds // 2]:.3f} s in the middle, {max(starts):.3f} s at most")
    # One stall of a busy disk in fifty is the disk's, not the daemon's.
    assert len(slow) <= rounds // 50, f"not ready within a second: {slow}"
    assert len(everything) >= 10 * rounds, "too little was acknowledged for the test to mean anything"


def check_unanswered(vault, load, token_of, card_of, number):
    """Batches cut off by the kill are there whole or not at all, and what is there is a token like any other."""
    with vault.client() as client:
        for pans in load.unanswered:
            tokens = [client.find(pan) for pan in pans]
            there = sum(token is not None for token in tokens)
            assert there in (0, len(pans)), f"round {number}: {there} of {len(pans)} cards of one request are on file"
            if not there:
                continue
            wrong = vault.wrong(list(zip(tokens, pans)))
            assert not wrong, f"round {number}: an unanswered request left {wrong[:3]}"
            for pan, token in zip(pans, tokens):
                assert token_of.setdefault(pan, token) == token, f"round {number}: a card has two tokens"
                assert card_of.setdefault(token, pan) == pan, f"round {number}: a token was given for two cards"
    return len(load.unanswered)
