"""Plays the cases of http_cases.json against a vault and judges what comes back.

A case says which bytes go out and when, and what must happen: how many replies, which statuses, whether the connection
ends. The vectors' README has the format in full. The token in the cases is replaced by a live one of the same length,
so that `ok` is a revealed card and not just one more 404.
"""
import base64
import threading
import time

import wire
from problems import assert_known_problem

#: The token in the vector files.
PLACEHOLDER = b"9912345678901234"
#: Longer than every deadline of the vault's configuration in test_http_cases.
END_WITHIN = 9.0
#: A smuggled reply comes at once if it comes.
QUIET = 0.12


class Case:
    """One case, its bytes made ready to send."""

    def __init__(self, row, token):
        self.row = row
        self.id = row["id"]
        self._token = token.encode()
        data = base64.b64decode(row["request_base64"])
        # Offsets count the bytes before any insertion, so the last insertion is made first.
        for fill in sorted(row.get("fill", []), key=lambda fill: -fill["at"]):
            unit = base64.b64decode(fill["base64"]) * fill["count"]
            data = data[: fill["at"]] + unit + data[fill["at"] :]
        self.data = self._with_live_token(data) * row.get("repeat", 1)

    def _with_live_token(self, data):
        """The live token in place of the other, also where it is cut into chunks of one byte."""
        between = b"\r\n1\r\n"
        split_old = between.join(PLACEHOLDER[index : index + 1] for index in range(16))
        split_new = between.join(self._token[index : index + 1] for index in range(16))
        return data.replace(PLACEHOLDER, self._token).replace(split_old, split_new)


class Sender(threading.Thread):
    """Sends the bytes of a case at the times it names. A server that closes early is no error."""

    def __init__(self, connection, case):
        super().__init__(daemon=True)
        self.connection = connection
        self.case = case
        self.stopped = threading.Event()
        self.interim_seen = threading.Event()

    def run(self):
        data, row = self.case.data, self.case.row
        try:
            start = 0
            if hold := row.get("hold"):
                self.connection.send(data[: hold["at"]])
                self.interim_seen.wait(hold["max_s"])
                start = hold["at"]
            if pace := row.get("pace"):
                self.connection.send(data[start : pace["from"]])
                for at in range(pace["from"], len(data), pace["bytes"]):
                    if self.stopped.wait(pace["every_s"]):
                        return
                    self.connection.send(data[at : at + pace["bytes"]])
            else:
                self.connection.send(data[start:])
            if row.get("then") == "shutdown":
                self.connection.half_close()
            elif row.get("then") == "abort":
                self.connection.abort()
        except OSError:
            pass


class Outcome:
    """What came back: final answers, interim statuses, whether the server ended the connection, all bytes of
    answers.
    """

    def __init__(self):
        self.answers = []
        self.interim = []
        self.has_ended = False


def play(vault, case, expected):
    """Sends a case and reads until the end, or until `expected` replies came and no more follow."""
    outcome = Outcome()
    to_head = case.row.get("head", False)
    with vault.connect("billing", timeout=END_WITHIN) as connection:
        sender = Sender(connection, case)
        sender.start()
        if delay := case.row.get("read_after_s"):
            time.sleep(delay)
        end = time.monotonic() + END_WITHIN
        while True:
            reader = connection.reader
            if reader.buffer:
                if b"\r\n\r\n" in reader.buffer and reader.buffer.startswith(b"HTTP/1.1 100 "):
                    sender.interim_seen.set()
                    if reader.buffer.endswith(b" 100 Continue\r\n\r\n"):
                        connection.more(END_WITHIN)
                        continue
                answer = reader.answer(to_head=to_head)
                outcome.answers.append(answer)
                outcome.interim += answer.interim
            elif connection.has_ended:
                outcome.has_ended = True
                break
            else:
                enough = len(outcome.answers) >= expected and not sender.is_alive()
                came = connection.more(QUIET if enough else 0.5)
                if not came and enough:
                    break
                if time.monotonic() > end:
                    break
        sender.stopped.set()
        if not outcome.has_ended:
            outcome.serves_on = serves_on(connection, case)
        sender.join(2)
    return outcome


def plain(token):
    """The request that all cases are variations of."""
    return wire.request("/v1/detokenize", {"purpose": "charge", "token": token})


def serves_on(connection, case):
    """Whether the connection answers a further request rightly: its answer, or None."""
    try:
        connection.send(plain(case._token.decode()))
        return connection.answer()
    except (OSError, wire.ProtocolError):
        return None


def judge(vault, case, good):
    """Plays a case and asserts what it demands. `good` is the answer to the plain request: what `ok` means."""
    checks = case.row["check"].get("any", [case.row["check"]])
    expected = max(len(check["sequence"]) if "sequence" in check else check["replies"] for check in checks)
    if all("none" in check.get("status", []) for check in checks) and case.row.get("then") == "abort":
        expected = 0
    outcome = play(vault, case, expected)
    faults = [fault for fault in (fault_of(check, outcome, good) for check in checks)]
    assert None in faults, f"{case.id}: {faults}\nwhy: {case.row['why']}\ngot: {outcome.answers[:5]}"
    for answer in outcome.answers:
        if not is_ok(answer, good):
            if answer.status >= 400:
                assert_known_problem(answer, to_head=case.row.get("head", False))
            assert good.json()["pan"].encode() not in answer.body, "a card in an answer that is not the right one"


def fault_of(check, outcome, good):
    """What an outcome lacks of a check; None for nothing."""
    answers = outcome.answers
    if "sequence" in check:
        wanted = check["sequence"]
        if len(answers) > len(wanted):
            return f"{len(answers)} replies, at most {len(wanted)} expected"
        for index, allowed in enumerate(wanted):
            if index >= len(answers):
                if "none" not in allowed:
                    return f"reply {index + 1} is missing"
            elif not is_allowed(answers[index], allowed, good):
                return f"reply {index + 1} is {answers[index].status}, not of {allowed}"
    else:
        allowed = check["status"]
        if not answers:
            if "none" not in allowed:
                return "no reply"
            if not outcome.has_ended:
                return "no reply, and the connection stays open"
        elif len(answers) != check["replies"]:
            return f"{len(answers)} replies instead of {check['replies']}"
        for answer in answers:
            if not is_allowed(answer, allowed, good):
                return f"{answer.status} is not of {allowed}"
    if check.get("interim") == "required" and 100 not in outcome.interim:
        return "no 100 Continue"
    for text in check.get("absent", []):
        if any(text.encode() in answer.body or text in str(answer.headers) for answer in answers):
            return f"the reply holds {text!r}"
    if check.get("close") is True and not outcome.has_ended:
        return "the connection stays open"
    if check.get("close") is False and outcome.has_ended:
        return "the connection was closed"
    if not outcome.has_ended and (outcome.serves_on is None or not is_ok(outcome.serves_on, good)):
        return f"the connection stays open, and its next answer is {outcome.serves_on}"
    return None


def is_ok(answer, good):
    """Whether an answer is the right one to the plain request."""
    return answer.status == good.status and answer.body == good.body


def is_allowed(answer, allowed, good):
    """Whether an answer has one of the statuses."""
    for status in allowed:
        if status == "ok" and is_ok(answer, good):
            return True
        if status == "4xx" and (400 <= answer.status <= 499 or answer.status in (501, 505)):
            return True
        if status == answer.status and not is_ok(answer, good):
            return True
    return False
