"""Operators are named people with rights of their own, and some have a second factor."""
import json
import os
import pty
import re
import select
import subprocess
import time

import onetime
import pytest

import strongroom

ANNA, BEN = strongroom.OPERATORS
STRANGER = 65532


@pytest.fixture
def people(new_vault):
    """Makes vaults with operators: `people([operator, ...], option=...)`."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: other Unix users are NOT tested")

    def make(operators, **options):
        options.setdefault("control", {}).setdefault("group", "nogroup")
        vault = new_vault(strongroom.settings(operators=operators, **options), start=False)
        vault.directory.chmod(0o755)
        (vault.directory / "run").mkdir(exist_ok=True)
        vault.start()
        (vault.directory / "run").chmod(0o755)
        (vault.directory / "run" / "control.sock").chmod(0o666)
        return vault

    return make


def refused(vault, path, user, status, problem, method="POST", code=None):
    """A command that must be refused: what is said of it."""
    got, answer = vault.control(path, method, user=user, code=code)
    assert got == status and json.loads(answer)["code"] == problem, (path, got, answer)
    return json.loads(answer)["title"]


def enroll(vault, user, code=None):
    """Enrols an operator: the generator of the new codes."""
    status, address = vault.control("/v1/mfa/enroll", "POST", user=user, code=code)
    assert status == 200, address
    generator = onetime.Generator(address.decode())
    answer = vault.order("/v1/mfa/confirm", user=user, code=generator.next())
    assert answer["accepted"] is True
    return generator


def restart(vault):
    """Stops and starts, and lets everybody at the socket again."""
    vault.restart()
    (vault.directory / "run").chmod(0o755)
    (vault.directory / "run" / "control.sock").chmod(0o666)


def reload(vault):
    vault.write_config()
    assert vault.reload(), vault.log[-2000:]


# Rights

def test_without_operators_root_may_do_everything_and_others_nothing(people):
    """The group of the socket is no right."""
    vault = people([])
    assert vault.status()["sealed"] is False
    assert vault.order("/v1/config/reload") == {"reloaded": True}
    for path, method in [("/v1/status", "GET"), ("/v1/keys", "GET"), ("/v1/seal", "POST"), ("/v1/verify", "POST"),
                         ("/v1/config/reload", "POST"), ("/v1/mfa", "GET"), ("/v1/mfa/enroll", "POST")]:
        title = refused(vault, path, ANNA, 403, "denied", method)
        assert title.endswith("is no operator of this vault")
    assert vault.is_ready()


def test_with_operators_each_may_do_what_is_named_and_nobody_else_more_than_status(people):
    """Root included, which has other ways."""
    vault = people([
        strongroom.operator("anna", ANNA, ["auditor"]), strongroom.operator("ben", BEN, ["keys_rotate", "jobs"])])
    for user in (None, STRANGER, ANNA, BEN):
        assert vault.control("/v1/status", user=user)[0] == 200
    for user in (None, STRANGER):
        for path, method in [("/v1/keys", "GET"), ("/v1/jobs", "GET"), ("/v1/seal", "POST"),
                             ("/v1/config/reload", "POST"), ("/v1/mfa", "GET")]:
            refused(vault, path, user, 403, "denied", method)
    for path in ("/v1/clients", "/v1/keys", "/v1/jobs", "/v1/pending", "/v1/shares", "/v1/mfa"):
        assert vault.control(path, user=ANNA)[0] == 200, path
    status, report = vault.control("/v1/verify", "POST", user=ANNA)
    assert status == 200 and b'"sound":true' in report
    for path in ("/v1/keys/rotate", "/v1/keys/destroy?version=1", "/v1/config/reload", "/v1/certs/reload", "/v1/seal",
                 "/v1/unseal", "/v1/approve?id=1", "/v1/mfa/reset?operator=ben", "/v1/shares/refresh"):
        refused(vault, path, ANNA, 403, "denied")
    assert refused(vault, "/v1/seal", ANNA, 403, "denied") == "anna may not do seal"
    for path, method in [("/v1/keys", "GET"), ("/v1/pending", "GET"), ("/v1/keys/destroy?version=1", "POST")]:
        refused(vault, path, BEN, 403, "denied", method)
    assert vault.order("/v1/keys/rotate", user=BEN)["rotating"]
    deadline = time.monotonic() + 20
    while vault.order("/v1/jobs", "GET", user=BEN)["jobs"] and time.monotonic() < deadline:
        time.sleep(0.02)
    (receipt,) = vault.order("/v1/keys", "GET", user=ANNA)["receipts"]
    assert receipt["rotation"]["requested_by"] == f"ben ({BEN})"

    # A reload changes who may do what, at once.
    vault.values["operators"] = [strongroom.operator("anna", ANNA, ["administrator"])]
    reload(vault)
    assert vault.order("/v1/certs/reload", user=ANNA) == {"reloaded": True}
    refused(vault, "/v1/jobs", BEN, 403, "denied", "GET")
    # One whose operators make no sense changes nothing.
    vault.values["operators"] = [strongroom.operator("anna", "no-such-user-here", ["administrator"])]
    vault.write_config()
    assert not vault.reload()
    assert "operators[0].user: there is no user 'no-such-user-here'" in vault.log
    assert vault.order("/v1/certs/reload", user=ANNA) == {"reloaded": True}


def test_both_persons_of_a_command_need_the_right_to_it(people):
    """An approval by somebody without it is worth nothing, and neither is one for somebody who has lost it."""
    custodian = strongroom.operator("anna", ANNA, ["key_custodian"])
    vault = people([
        strongroom.operator("root", 0), custodian, strongroom.operator("ben", BEN, ["administrator"])],
        dual_control=["rotate"])
    request = vault.order("/v1/keys/rotate", user=ANNA, expect=202)["pending"]["id"]
    title = refused(vault, f"/v1/approve?id={request}", BEN, 403, "denied")
    assert title == "ben may not do keys_rotate, and so may not approve it"
    vault.values["operators"][1]["allow"] = ["auditor"]
    vault.values["operators"][2]["allow"] = ["key_custodian"]
    reload(vault)
    title = refused(vault, f"/v1/approve?id={request}", BEN, 403, "denied")
    assert title == f"anna ({ANNA}), who asked, may not do keys_rotate any more"
    assert vault.versions() == {1: "active"}
    vault.values["operators"][1]["allow"] = ["key_custodian"]
    reload(vault)
    assert vault.order(f"/v1/approve?id={request}", user=BEN)["rotating"]


# Codes

def test_an_operator_with_a_second_factor_may_only_enrol_at_first(people):
    """And then gives codes at sensitive commands alone, each of them once."""
    vault = people([strongroom.operator("anna", ANNA, mfa="totp"), strongroom.operator("root", 0)])
    for path, method in [("/v1/keys", "GET"), ("/v1/seal", "POST"), ("/v1/config/reload", "POST"),
                         ("/v1/mfa/verify", "POST"), ("/v1/unseal", "POST")]:
        refused(vault, path, ANNA, 403, "not_enrolled", method, code="123456")
    assert vault.control("/v1/status", user=ANNA)[0] == 200
    refused(vault, "/v1/mfa/confirm", ANNA, 409, "no_enrolment", code="123456")
    refused(vault, "/v1/mfa/enroll", None, 409, "no_second_factor")
    generation = vault.keys()["generation"]

    status, address = vault.control("/v1/mfa/enroll", "POST", user=ANNA)
    assert status == 200
    phone = onetime.Generator(address.decode())
    assert (phone.label, phone.issuer) == ("strongroom:anna", "strongroom")
    assert vault.versions("operators") == {1: "active"}
    refused(vault, "/v1/mfa/confirm", ANNA, 401, "code_required")
    refused(vault, "/v1/mfa/confirm", ANNA, 422, "malformed", code="12345")
    refused(vault, "/v1/mfa/confirm", ANNA, 401, "code_wrong", code=phone.wrong())
    refused(vault, "/v1/config/reload", ANNA, 403, "not_enrolled")
    first = phone.next()
    assert vault.order("/v1/mfa/confirm", user=ANNA, code=first) == {"operator": "anna", "accepted": True}
    assert vault.keys()["generation"] == generation + 2, "the key, and the enrolment"

    # Who has confirmed has shown a code; after a restart nobody has.
    vault.order("/v1/certs/reload", user=ANNA)
    restart(vault)
    refused(vault, "/v1/certs/reload", ANNA, 401, "code_required")
    assert vault.order("/v1/keys", "GET", user=ANNA), "no sensitive command"
    refused(vault, "/v1/certs/reload", ANNA, 401, "code_wrong", code=first)
    refused(vault, "/v1/certs/reload", ANNA, 401, "code_wrong", code=phone.wrong())
    code = phone.next()
    assert vault.order("/v1/certs/reload", user=ANNA, code=code) == {"reloaded": True}
    assert vault.order("/v1/certs/reload", user=ANNA) == {"reloaded": True}, "for some minutes"
    restart(vault)
    refused(vault, "/v1/mfa/verify", ANNA, 401, "code_wrong", code=code)
    assert vault.order("/v1/mfa/verify", user=ANNA, code=phone.next())["accepted"]
    assert vault.order("/v1/certs/reload", user=ANNA) == {"reloaded": True}

    # Nothing of it is in the log or on the disk in clear.
    kept = vault.log.encode() + b"".join(
        path.read_bytes() for path in vault.data.rglob("*") if path.is_file())
    assert phone.secret.encode() not in kept and phone._key not in kept and phone._key[:10] not in kept
    for digits in (first, code):
        assert not re.search(rf"(?<![0-9a-f]){digits}(?![0-9a-f])", vault.log)
    assert oct((vault.data / "codes").stat().st_mode)[-3:] == "600"


def test_ten_wrong_codes_lock_an_operator_out_and_a_restart_does_not_help(people):
    """Until another operator resets the codes."""
    vault = people([
        strongroom.operator("anna", ANNA, ["key_custodian", "mfa_reset"], mfa="totp"), strongroom.operator("root", 0),
        strongroom.operator("ben", BEN, mfa="totp")])
    phone = enroll(vault, ANNA)
    other = enroll(vault, BEN)
    restart(vault)
    for count in range(10):
        refused(vault, "/v1/keys/rotate", ANNA, 401, "code_wrong", code=phone.wrong())
        if count == 5:
            restart(vault)
    title = refused(vault, "/v1/keys/rotate", ANNA, 429, "code_locked", code=phone.next())
    assert title == "anna is locked out after too many wrong codes, for 30 more minutes"
    restart(vault)
    refused(vault, "/v1/mfa/verify", ANNA, 429, "code_locked", code=phone.next())
    assert vault.order("/v1/certs/reload", user=BEN, code=other.next()), "the others go on"
    assert vault.versions() == {1: "active"}
    rows = {row["name"]: row for row in vault.order("/v1/mfa", "GET")["operators"]}
    assert 1700 < rows["anna"]["locked_seconds"] <= 1800 and rows["ben"]["locked_seconds"] == 0
    assert rows["ben"]["verified"] and rows["root"]["mfa"] is None
    assert [row["name"] for row in vault.order("/v1/mfa", "GET", user=ANNA)["operators"]] == ["anna"]
    assert "operator_locked" in vault.log

    refused(vault, "/v1/mfa/reset?operator=anna", ANNA, 429, "code_locked", code=phone.next())
    refused(vault, "/v1/mfa/reset?operator=cleo", None, 404, "no_such_enrolment")
    refused(vault, "/v1/mfa/reset?operator=ben", BEN, 403, "own_factor")
    assert vault.order("/v1/mfa/reset?operator=anna") == {"reset": "anna"}
    refused(vault, "/v1/keys", ANNA, 403, "not_enrolled", "GET")
    again = enroll(vault, ANNA)
    assert again.secret != phone.secret
    assert vault.order("/v1/keys/rotate", user=ANNA)["rotating"]


def test_a_reset_may_need_two_persons(people):
    """Neither of whom is the one whose codes they are."""
    vault = people(
        [strongroom.operator("anna", ANNA, mfa="totp"), strongroom.operator("root", 0),
         strongroom.operator("ben", BEN)], dual_control=["mfa_reset"])
    enroll(vault, ANNA)
    request = vault.order("/v1/mfa/reset?operator=anna", expect=202)["pending"]
    assert request["description"] == "take the one-time codes of anna out of force"
    refused(vault, f"/v1/approve?id={request['id']}", ANNA, 403, "own_factor")
    assert vault.order(f"/v1/approve?id={request['id']}", user=BEN) == {"reset": "anna"}


def test_a_new_secret_takes_a_code_of_the_old_one(people):
    """Who finds a terminal open gets no codes of their own, and the old ones end with the new ones' first."""
    vault = people([strongroom.operator("anna", ANNA, mfa="totp"), strongroom.operator("root", 0)])
    old = enroll(vault, ANNA)
    restart(vault)
    refused(vault, "/v1/mfa/enroll", ANNA, 401, "code_required")
    status, address = vault.control("/v1/mfa/enroll", "POST", user=ANNA, code=old.next())
    assert status == 200
    new = onetime.Generator(address.decode())
    restart(vault)
    refused(vault, "/v1/mfa/confirm", ANNA, 409, "no_enrolment", code=new.next())
    assert vault.order("/v1/mfa/verify", user=ANNA, code=old.next()), "nothing has changed"
    new = enroll(vault, ANNA)
    refused(vault, "/v1/mfa/verify", ANNA, 401, "code_wrong", code=old.at(int(time.time()) // 30 + 1))
    assert vault.order("/v1/mfa/verify", user=ANNA, code=new.next())


def test_a_sealed_vault_checks_no_codes_and_opens_all_the_same(people):
    """What opens it needs none; what asks for one waits."""
    vault = people([strongroom.operator("anna", ANNA, mfa="totp")])
    phone = enroll(vault, ANNA)
    restart(vault)
    assert vault.order("/v1/seal", user=ANNA) == {"sealed": True}, "stopping things asks for no code"
    refused(vault, "/v1/config/reload", ANNA, 503, "sealed", code=phone.next())
    refused(vault, "/v1/mfa/enroll", ANNA, 503, "sealed")
    refused(vault, "/v1/mfa/verify", ANNA, 503, "sealed", code=phone.next())
    (row,) = vault.order("/v1/mfa", "GET", user=ANNA)["operators"]
    assert row["enrolled"] is None
    assert vault.order("/v1/unseal", user=ANNA)["sealed"] is False
    refused(vault, "/v1/config/reload", ANNA, 401, "code_required")


def test_where_the_used_codes_are_lost_all_up_to_now_count_as_used(people):
    """A restored or deleted file opens no second chance for a code that somebody has seen."""
    vault = people([strongroom.operator("anna", ANNA, mfa="totp"), strongroom.operator("root", 0)])
    phone = enroll(vault, ANNA)
    used = phone.next()
    assert vault.order("/v1/mfa/verify", user=ANNA, code=used)
    assert vault.stop() == 0
    (vault.data / "codes").write_bytes(b"SROPCODE" + bytes(34))
    vault.start()
    (vault.directory / "run").chmod(0o755)
    (vault.directory / "run" / "control.sock").chmod(0o666)
    refused(vault, "/v1/mfa/verify", ANNA, 401, "code_wrong", code=used)
    assert "operator_codes_lost" in vault.log
    now = int(time.time()) // 30
    refused(vault, "/v1/mfa/verify", ANNA, 401, "code_wrong", code=phone.at(now + 1))


# The command line

class Session:
    """A command on a terminal of its own."""

    def __init__(self, *arguments, rows=60, columns=120):
        self.text = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "LINES": str(rows)})
            os.execv(strongroom.COMMAND, [str(argument) for argument in (strongroom.COMMAND, *arguments)])
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, within):
        ready, _, _ = select.select([self.terminal], [], [], within)
        if not ready:
            return False
        try:
            chunk = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.text += chunk
        return bool(chunk)

    def expect(self, text, within=20):
        """Reads until the text is there."""
        deadline = time.monotonic() + within
        while text.encode() not in self.text:
            assert time.monotonic() < deadline and (self.read(1) or True), self.text[-2000:]
        before, _, self.text = self.text.partition(text.encode())
        return before.decode()

    def type(self, text):
        # A moment for echo to be off.
        time.sleep(0.3)
        os.write(self.terminal, text.encode() + b"\n")

    def end(self, within=20):
        """The exit code, and the rest of what it said."""
        deadline = time.monotonic() + within
        while self.read(0.2) or time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0.2):
                    pass
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status), self.text.decode()
        raise AssertionError(f"the command goes on: {self.text[-2000:]}")


def run(vault, *arguments, input=""):
    return subprocess.run(
        [strongroom.COMMAND, *arguments, "--config", vault.config], input=input, capture_output=True, text=True,
        timeout=60)


def test_enrolling_and_giving_codes_on_a_terminal(people):
    """The QR code and the address are shown and taken away again; codes are not shown at all."""
    vault = people([strongroom.operator("root", 0, mfa="totp")])
    session = Session("mfa", "enroll", "--config", vault.config)
    screen = session.expect("One-time code: ")
    assert "\x1b[?1049h" in screen
    drawing = [line for line in screen.splitlines() if "▀" in line or "▄" in line]
    assert len(drawing) >= 18
    phone = onetime.Generator(re.search(r"otpauth://\S+", screen).group())
    session.type("12 34")
    session.expect("a one-time code has six digits")
    session.expect("One-time code: ")
    session.type(phone.wrong())
    session.expect("the one-time code is wrong")
    session.expect("One-time code: ")
    code = phone.next()
    session.type(f"{code[:3]} {code[3:]}")
    status, rest = session.end()
    assert status == 0 and "\x1b[?1049l" in rest and "your one-time codes are in force" in rest
    assert code not in rest and code[:3] + " " + code[3:] not in rest

    restart(vault)
    session = Session("certs", "reload", "--config", vault.config)
    session.expect("One-time code: ")
    session.type(phone.wrong())
    session.expect("the one-time code is wrong")
    session.expect("One-time code: ")
    code = phone.next()
    session.type(code)
    status, rest = session.end()
    assert status == 0 and "certificates reloaded" in rest and code not in rest
    session = Session("keys", "rotate", "--config", vault.config)
    status, rest = session.end()
    assert status == 0 and "One-time code" not in rest, rest
    session = Session("mfa", "verify", "--config", vault.config)
    session.expect("One-time code: ")
    session.type(phone.next())
    assert session.end()[0] == 0


def test_codes_in_scripts(people):
    """No terminal, no question: a code given before holds for the commands after it."""
    vault = people([strongroom.operator("root", 0, mfa="totp")])
    done = run(vault, "certs", "reload")
    assert done.returncode == 77 and "strongroom mfa enroll" in done.stderr
    # The address goes out, and the code comes back, through pipes.
    enrolling = subprocess.Popen(
        [strongroom.COMMAND, "mfa", "enroll", "--config", vault.config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    phone = onetime.Generator(enrolling.stdout.readline().strip())
    out, errors = enrolling.communicate(phone.next() + "\n", timeout=30)
    assert enrolling.returncode == 0 and "in force" in out, errors
    restart(vault)
    done = run(vault, "verify")
    assert done.returncode == 0, "not among the sensitive commands"
    done = run(vault, "certs", "reload")
    assert done.returncode == 77 and "strongroom mfa verify" in done.stderr, done
    done = run(vault, "mfa", "verify", input="12345\n")
    assert done.returncode == 65
    done = run(vault, "mfa", "verify", input=phone.wrong() + "\n")
    assert done.returncode == 77
    done = run(vault, "mfa", "verify", input=phone.next() + "\n")
    assert done.returncode == 0, done
    assert run(vault, "certs", "reload").returncode == 0
    done = run(vault, "mfa", "status")
    assert done.returncode == 0 and "root" in done.stdout and "has shown a code" in done.stdout
    assert json.loads(run(vault, "mfa", "status", "--json").stdout)["minutes"] == 15
    done = run(vault, "mfa", "reset", "root")
    assert done.returncode == 77 and "your own" in done.stderr
    done = run(vault, "mfa", "reset", "nobody-here")
    assert done.returncode == 65


def test_verify_and_other_streams_ask_for_codes_too(people):
    """What comes in pieces is given again with the code like everything else."""
    vault = people([strongroom.operator("root", 0, mfa="totp")], control={"mfa_commands": ["verify"]})
    phone = enroll(vault, None)
    restart(vault)
    done = run(vault, "verify")
    assert done.returncode == 77
    session = Session("verify", "--config", vault.config)
    session.expect("One-time code: ")
    session.type(phone.next())
    status, rest = session.end()
    assert status == 0 and "sound" in rest, rest


# On record

def trail(vault):
    """Every record of the audit trail."""
    lines = []
    for path in sorted((vault.data / "audit").glob("*.jsonl")):
        lines += path.read_text().splitlines()
    return [json.loads(line) for line in lines]


def of(vault, person, *operations):
    """What a person did: operation, outcome, command and what it was about, in order."""
    return [
        (record["op"], record["outcome"], record.get("command"), record.get("what") or record.get("code"))
        for record in trail(vault) if record.get("operator") == person and record["op"] in operations]


def test_what_operators_do_is_on_record(people):
    """The intent before, how it ended after, refusals and codes; no code itself, and nothing that came over the wire."""
    vault = people([
        strongroom.operator("anna", ANNA, ["key_custodian"], mfa="totp"),
        strongroom.operator("ben", BEN, ["key_custodian", "auditor"]), strongroom.operator("root", 0)],
        dual_control=["destroy", "seal"])
    anna, ben = f"anna ({ANNA})", f"ben ({BEN})"
    commands = ("command", "approve", "reject", "seal", "unseal", "mfa_enroll", "mfa_reset", "operator_denied",
                "operator_code")
    phone = enroll(vault, ANNA)
    wrong = phone.wrong()
    restart(vault)
    refused(vault, "/v1/keys/rotate?purpose=data", ANNA, 401, "code_required")
    refused(vault, "/v1/keys/rotate?purpose=data", ANNA, 401, "code_wrong", code=wrong)
    good = phone.next()
    assert vault.order("/v1/keys/rotate?purpose=data", user=ANNA, code=good)["rotating"]
    refused(vault, "/v1/config/reload", ANNA, 403, "denied")
    assert of(vault, anna, *commands) == [
        ("mfa_enroll", "intent", "mfa_enroll", None), ("mfa_enroll", "ok", "mfa_enroll", None),
        ("mfa_enroll", "intent", "mfa_confirm", None), ("mfa_enroll", "ok", "mfa_confirm", None),
        ("operator_denied", "denied", "keys_rotate", "code_required"),
        ("operator_code", "denied", "keys_rotate", "code_wrong"),
        ("operator_code", "ok", "keys_rotate", None),
        ("command", "intent", "keys_rotate", "rotate the data key"),
        ("command", "ok", "keys_rotate", "rotate the data key"),
        ("operator_denied", "denied", "config_reload", "denied"),
    ]
    refused(vault, "/v1/keys", STRANGER, 403, "denied", "GET")
    stranger = [record for record in trail(vault) if str(STRANGER) in record.get("operator", "")]
    assert [record["op"] for record in stranger] == ["operator_denied"]

    # A failure, a request and its approval.
    refused(vault, "/v1/keys/destroy?version=7", BEN, 409, "no_such_version")
    request = vault.order("/v1/seal", user=BEN, expect=202)["pending"]["id"]
    refused(vault, f"/v1/approve?id={request}", BEN, 403, "own_request")
    vault.order(f"/v1/reject?id={request}", user=ANNA)
    assert of(vault, ben, *commands) == [
        ("command", "intent", "keys_destroy", "destroy data key version 7"),
        ("command", "failed", "keys_destroy", "destroy data key version 7"),
        ("command", "intent", "seal", "seal the vault"), ("command", "ok", "seal", "seal the vault"),
        ("approve", "intent", "approve", "seal the vault"), ("approve", "failed", "approve", "seal the vault"),
    ]
    assert of(vault, anna, "reject") == [
        ("reject", "intent", "reject", "seal the vault"), ("reject", "ok", "reject", "seal the vault")]
    (rejection, _) = [record for record in trail(vault) if record["op"] == "reject"]
    assert rejection["request"] == str(request) and rejection["requested_by"] == ben

    # What makes no sense is not copied into the log; a look that is repeated is one record.
    status, _ = vault.control("/v1/keys/rotate?purpose=4111111111111111", "POST", user=BEN)
    assert status == 422
    for _ in range(5):
        vault.order("/v1/keys", "GET", user=BEN)
        vault.order("/v1/jobs", "GET", user=BEN)
        vault.control("/v1/status", user=BEN)
    assert of(vault, ben, "command")[-1:] == [("command", "ok", "keys", None)]
    text = "".join(path.read_text() for path in (vault.data / "audit").glob("*.jsonl"))
    assert "4111111111111111" not in text and phone.secret not in text
    for code in (good, wrong):
        assert f'"{code}"' not in text


def test_sealed_commands_come_onto_the_record_when_the_vault_opens(people):
    """There is no key to link records with before."""
    vault = people([strongroom.operator("anna", ANNA, ["key_custodian"]), strongroom.operator("root", 0)])
    vault.order("/v1/seal", user=ANNA)
    refused(vault, "/v1/config/reload", ANNA, 403, "denied")
    vault.order("/v1/unseal", user=ANNA)
    found = of(vault, f"anna ({ANNA})", "command", "seal", "unseal", "operator_denied")
    assert found[:2] == [("command", "intent", "seal", "seal the vault"), ("seal", "ok", None, None)]
    assert sorted(found[2:]) == sorted([
        ("command", "ok", "seal", "seal the vault"), ("operator_denied", "denied", "config_reload", "denied"),
        ("unseal", "intent", "unseal", None), ("unseal", "ok", "unseal", None)])


def test_what_cannot_be_recorded_is_not_done_and_sealing_is(people):
    """A log that does not fit the database takes no records."""
    vault = people([strongroom.operator("anna", ANNA), strongroom.operator("root", 0)])
    vault.order("/v1/certs/reload", user=ANNA)
    assert vault.stop() == 0
    (segment,) = (vault.data / "audit").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-3]))
    vault.launch()
    deadline = time.monotonic() + 15
    while "audit_not_open" not in vault.log:
        assert time.monotonic() < deadline, vault.log[-2000:]
        time.sleep(0.05)
    while True:
        try:
            assert vault.control("/v1/status")[0] == 200
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for path, method in [("/v1/certs/reload", "POST"), ("/v1/keys", "GET"), ("/v1/keys/rotate", "POST")]:
        refused(vault, path, None, 503, "audit_unavailable", method)
    keys = {key["version"]: key["state"] for key in vault.status()["keys"] if key["purpose"] == "data"}
    assert keys == {1: "active"}
    assert vault.order("/v1/seal") == {"sealed": True}
