"""Two persons for what one must not do alone."""
import os
import time

import pytest

import strongroom

PAN = "4111111111111111"
ANNA, BEN = strongroom.OPERATORS


@pytest.fixture
def guarded(new_vault):
    """A vault in which every such command needs two persons."""
    if os.geteuid() != 0:
        pytest.skip("!!! not root: approvals by other Unix users are NOT tested")
    vault = new_vault(strongroom.settings(
        dual_control=["rotate", "destroy", "rewrap", "shares", "seal"], control={"group": "nogroup"},
        keys={"move_rate": 5000}), start=False)
    vault.directory.chmod(0o755)
    vault.start()
    (vault.directory / "run").chmod(0o755)
    vault.token = vault.client("checkout").tokenize(PAN)
    return vault


def pending(vault, path, user):
    """A command that must wait: its request."""
    return vault.order(path, user=user, expect=202)["pending"]


def refused(vault, path, user, status, code):
    got, answer = vault.control(path, "POST", user=user)
    assert got == status and f'"code":"{code}"'.encode() in answer, (got, answer)


def test_a_rotation_needs_a_second_person_and_so_does_the_destruction_at_its_end(guarded):
    """Nobody approves their own; the receipt names both persons of both steps."""
    vault = guarded
    request = pending(vault, "/v1/keys/rotate", ANNA)
    assert request["command"] == "rotate" and request["description"] == "rotate the data key"
    assert request["requested_uid"] == ANNA and str(ANNA) in request["requested_by"]
    assert request["expires"] - request["created"] == 86_400
    assert vault.versions() == {1: "active"}
    assert pending(vault, "/v1/keys/rotate", ANNA)["id"] == request["id"], "asked twice, filed once"
    refused(vault, f"/v1/approve?id={request['id']}", ANNA, 403, "own_request")
    refused(vault, "/v1/approve?id=999", BEN, 404, "no_such_request")
    assert vault.order("/v1/pending", "GET")["pending"] == [request]

    # It survives a restart, and a kill.
    vault.restart()
    vault.kill()
    vault.start()
    (vault.directory / "run").chmod(0o755)
    assert vault.order("/v1/pending", "GET")["pending"] == [request]
    refused(vault, f"/v1/approve?id={request['id']}", ANNA, 403, "own_request")
    answer = vault.order(f"/v1/approve?id={request['id']}", user=BEN)
    assert answer["rotating"] == [{"purpose": "data", "version": 2}]
    refused(vault, f"/v1/approve?id={request['id']}", BEN, 404, "no_such_request")

    # The end of the rotation asks for itself, on behalf of the one who began it.
    deadline = time.monotonic() + 20
    while not (waiting := vault.order("/v1/pending", "GET")["pending"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    (request,) = waiting
    assert request["command"] == "destroy" and request["description"] == "destroy data key version 1"
    assert vault.jobs()[0]["state"] == "awaiting_approval" and vault.jobs()[0]["pending"] == request["id"]
    refused(vault, f"/v1/approve?id={request['id']}", ANNA, 403, "own_request")
    vault.order(f"/v1/approve?id={request['id']}", user=BEN)
    vault.wait_for_jobs()
    (receipt,) = vault.keys()["receipts"]
    for step in ("rotation", "destruction"):
        assert str(ANNA) in receipt[step]["requested_by"] and str(BEN) in receipt[step]["approved_by"]
    assert vault.client("billing").detokenize(vault.token) == PAN


def test_a_rejected_or_expired_request_is_gone(guarded):
    """The one who asked may take it back too."""
    vault = guarded
    request = pending(vault, "/v1/keys/rotate?purpose=all", ANNA)
    answer = vault.order(f"/v1/reject?id={request['id']}", user=BEN)
    assert answer["description"] == "rotate the data, index and audit key"
    refused(vault, f"/v1/approve?id={request['id']}", BEN, 404, "no_such_request")
    again = pending(vault, "/v1/keys/rotate?purpose=all", ANNA)
    assert again["id"] > request["id"], "an id was used twice"
    vault.order(f"/v1/reject?id={again['id']}", user=ANNA)

    vault.values["control"]["approval_expiry"] = "1s"
    vault.write_config()
    assert vault.reload()
    request = pending(vault, "/v1/seal", ANNA)
    time.sleep(1.2)
    refused(vault, f"/v1/approve?id={request['id']}", BEN, 404, "no_such_request")
    assert vault.order("/v1/pending", "GET")["pending"] == [] and vault.is_ready()


def test_what_would_be_refused_is_refused_before_anyone_is_asked(guarded):
    """And again at the approval, since things change meanwhile."""
    vault = guarded
    refused(vault, "/v1/keys/destroy?version=1", ANNA, 409, "version_active")
    refused(vault, "/v1/keys/destroy?purpose=audit&version=1", ANNA, 409, "version_active")
    refused(vault, "/v1/shares/split?threshold=3&count=2", ANNA, 422, "bad_threshold")
    first, second = pending(vault, "/v1/keys/rotate", ANNA), pending(vault, "/v1/keys/rotate", BEN)
    vault.order(f"/v1/approve?id={first['id']}", user=BEN)
    refused(vault, f"/v1/approve?id={second['id']}", ANNA, 409, "rotation_under_way")


def test_shares_go_to_the_one_who_asked_and_to_nobody_else(guarded):
    """The approver sees no share; the requester gives the command again."""
    vault = guarded
    path = "/v1/keys/rewrap?root=shares:2/2:anna,ben"
    request = pending(vault, path, ANNA)
    answer = vault.order(f"/v1/approve?id={request['id']}", user=BEN)
    assert answer["approved"] == request["id"] and "sr-" not in str(answer)
    refused(vault, f"/v1/approve?id={request['id']}", BEN, 409, "approved_already")
    # Ben's same command is another request.
    assert pending(vault, path, BEN)["id"] != request["id"]
    status, sheet = vault.control(path, "POST", user=ANNA)
    assert status == 200 and sheet.startswith(b"ceremony ")
    ceremony = sheet.split()[1].decode()
    refused(vault, f"/v1/shares/commit?ceremony={ceremony}", BEN, 404, "no_such_ceremony")
    vault.order(f"/v1/shares/commit?ceremony={ceremony}", user=ANNA)
    assert vault.keys()["root"]["text"] == "shares (2 of 2)"
    # An approval is good for once.
    assert pending(vault, path, ANNA)["id"] > request["id"]
    # Sealing is approved too, and then it is sealed.
    request = pending(vault, "/v1/seal", ANNA)
    assert vault.order(f"/v1/approve?id={request['id']}", user=BEN) == {"sealed": True}
    for line in sheet.decode().splitlines()[1:]:
        vault.order("/v1/unseal", body=line.split("\t")[2].encode())
    assert vault.client("billing").detokenize(vault.token) == PAN


def test_others_do_not_get_to_the_socket(guarded):
    """The socket's group is what lets operators in."""
    vault = guarded
    status, answer = vault.control("/v1/status", user=12345)
    assert status == 0 and b"PermissionError" in answer
