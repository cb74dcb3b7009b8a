"""Signals at bad moments: SIGKILL in a reload, SIGTERM in a bulk stream."""

import signal
import socket
import threading
import time

import pytest

import vault as vaults


def test_sigkill_while_reloading_under_load_loses_nothing(make_vault, source):
    """10 rounds (STRONGROOM_RELOAD_KILLS): SIGHUP again and again, a changed file half of the time, then SIGKILL."""
    rounds = vaults.knob("STRONGROOM_RELOAD_KILLS", 10)
    vault = make_vault()
    pairs, reloads = [], 0
    for number in range(rounds):
        vault.start()
        stop = threading.Event()

        def load(random):
            try:
                with vault.client() as client:
                    while not stop.is_set():
                        pans = vaults.cards(random, 5)
                        tokens = client.tokenize_all(pans)
                        assert tokens, "refused while reloading"
                        pairs.extend(zip(tokens, pans))
            except vaults.Gone:
                pass

        threads = [threading.Thread(target=load, args=(vaults.random.Random(source.random()),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + source.uniform(0.05, 0.4)
        while time.monotonic() < end:
            vault.configure(source.choice(["", "log: {level: debug}\n", "limits: {batch_tokenize: 900}\n", "broken: [\n"]))
            vault.process.send_signal(signal.SIGHUP)
            time.sleep(source.uniform(0, 0.01))
        vault.kill()
        stop.set()
        for thread in threads:
            thread.join(20)
        # A broken file may be what the round ended with; the operator mends it.
        vault.configure()
        vault.start()
        wrong = vault.wrong(pairs)
        assert not wrong, f"round {number}: {len(wrong)} of {len(pairs)} tokens lost or wrong: {wrong[:3]}"
        assert vault.stop() == 0
    reloads = vault.log.read_text().count("configuration_reloaded")
    refused = vault.log.read_text().count("reload_refused")
    print(f"{rounds} kills among {reloads} reloads and {refused} refused ones, {len(pairs)} tokens")
    assert reloads >= rounds and refused >= 1


def stream(client, source, pairs, steps, after=None):
    """A bulk stream in steps of ten cards; calls `after` once at the middle."""
    for step in range(steps):
        if step == steps // 2 and after:
            after()
        pans = vaults.cards(source, 10)
        client.bulk_send(pans)
        for pan in pans:
            answer = client.bulk_answer()
            assert answer and not answer.startswith("!"), answer
            pairs.append((answer, pan))
        time.sleep(0.005)


def test_sigterm_in_a_bulk_stream_lets_it_finish_and_takes_no_new_connection(make_vault, source):
    vault = make_vault()
    vault.start()
    pairs, began = [], None
    with vault.client() as client:
        client.bulk_open()

        def terminate():
            nonlocal began
            vault.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            time.sleep(0.3)
            with pytest.raises((vaults.Gone, OSError)):
                socket.create_connection(("127.0.0.1", vault.tcp), 2).close()
            assert vault.process.poll() is None, "the daemon did not wait for the stream"

        stream(client, source, pairs, 40, terminate)
        client.bulk_close()
        assert client.bulk_answer() is None, "answers beyond the stream"
    assert vault.process.wait(10) == 0
    print(f"{len(pairs)} tokens, half of them after SIGTERM; ended {time.monotonic() - began:.2f} s after it")
    vault.start()
    wrong = vault.wrong(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} tokens lost or wrong"
    assert vault.stop() == 0


@pytest.mark.parametrize("hurried", [False, True])
def test_sigterm_waits_for_an_endless_stream_only_so_long_and_a_second_one_hurries(make_vault, source, hurried):
    drain = 30 if hurried else 1
    vault = make_vault(extra=f"timeouts: {{drain: {drain}s}}\n")
    vault.start()
    pairs = []
    with vault.client() as client:
        client.bulk_open()
        stream(client, source, pairs, 3)
        vault.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        with pytest.raises(vaults.Gone):
            while time.monotonic() < began + 20:
                stream(client, source, pairs, 1)
                if hurried and time.monotonic() > began + 0.5:
                    vault.process.send_signal(signal.SIGTERM)
    assert vault.process.wait(10) == 0
    took = time.monotonic() - began
    assert 0.5 <= took <= 4, f"ended {took:.1f} s after SIGTERM"
    vault.start()
    wrong = vault.wrong(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} tokens lost or wrong"
    assert vault.stop() == 0
