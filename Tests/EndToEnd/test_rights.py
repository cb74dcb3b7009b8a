"""Who may do what: every call for every kind of client, by certificate, deny by default."""
import hashlib
import subprocess

import pytest

import cards
import strongroom

PAN = "5555555555554444"
OPERATIONS = ["tokenize", "detokenize", "inspect", "find", "fingerprint", "forget"]


@pytest.fixture(scope="module")
def vault():
    values = strongroom.settings(
        formats={"cards": {"keep": "last4"}, "partner": {"keep": "none"}},
        clients=[
            strongroom.client("checkout", ["tokenize", "forget"], ["cards"]),
            strongroom.client("billing", ["detokenize", "inspect"], ["cards"], ["charge", "refund"]),
            strongroom.client("partner", OPERATIONS, ["partner"], ["charge"]),
            strongroom.client("support", ["inspect", "find", "fingerprint"], ["cards"]),
        ])
    with strongroom.Vault(values) as made:
        yield made
        assert made.stop() == 0, made.log[-4000:]


@pytest.fixture
def token(vault):
    return vault.client("checkout").tokenize(PAN)


def body_of(operation, token):
    """A request that is right in every way but, perhaps, the caller's rights."""
    return {
        "tokenize": {"format": "cards", "pan": PAN},
        "detokenize": {"purpose": "charge", "token": token},
        "inspect": {"token": token},
        "find": {"format": "cards", "pan": PAN},
        "fingerprint": {"pan": PAN},
        "forget": {"token": "9900000000000000"},
    }[operation]


ALLOWED = {
    "checkout": {"tokenize", "forget"},
    "billing": {"detokenize", "inspect"},
    "support": {"inspect", "find", "fingerprint"},
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_client_may_make_the_calls_it_is_allowed_and_no_other(vault, token, name, operation):
    """Every cell of the matrix; a refusal keeps the connection."""
    client = vault.client(name)
    for _ in range(2):
        answer = client.post(f"/v1/{operation}", body_of(operation, token))
        expected = (200, None) if operation in ALLOWED[name] else (403, "denied")
        assert answer.outcome == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_certificate_of_the_right_authority_that_is_no_client_gets_401(vault, token, operation):
    """The handshake succeeds, every call is `unknown_client`, whatever its body; and so is a path that does not
    exist.
    """
    client = vault.client("stranger")
    assert client.post(f"/v1/{operation}", body_of(operation, token)).outcome == (401, "unknown_client")
    assert client.post(f"/v1/{operation}", b"not json").outcome == (401, "unknown_client")
    assert client.post("/v1/nothing", b"").outcome == (401, "unknown_client")


@pytest.mark.parametrize("operation", ["detokenize", "inspect", "forget"])
def test_a_token_of_a_foreign_format_looks_like_one_that_does_not_exist(vault, token, operation):
    """Same status, same bytes for a token of another format and for one that never was; alone and in a batch."""
    partner = vault.client("partner")

    def ask(*tokens, batch=False):
        body = {"tokens": list(tokens)} if batch else {"token": tokens[0]}
        if operation == "detokenize":
            body["purpose"] = "charge"
        return partner.post(f"/v1/{operation}", body)

    never = "9912345678901230"
    foreign, missing = ask(token), ask(never)
    assert foreign.body == missing.body and foreign.status == missing.status
    if operation == "forget":
        assert foreign.json() == {"forgotten": 0}
        assert vault.client("billing").detokenize(token) == PAN, "a client of another format deleted the token"
    else:
        assert foreign.outcome == (404, "not_found")
        assert ask(token, never, batch=True).json()["results"] == [{"error": {"code": "not_found"}}] * 2


def test_a_format_that_is_not_the_clients_is_denied_to_tokenize_and_find(vault):
    """Naming another's format, or one that does not exist: the same answer. The default format is no way around."""
    partner = vault.client("partner")
    for name in ("cards", "nonexistent"):
        assert partner.post("/v1/tokenize", {"format": name, "pan": PAN}).outcome == (403, "denied")
        assert partner.post("/v1/find", {"format": name, "pan": PAN}).outcome == (403, "denied")
    assert partner.post("/v1/tokenize", {"pan": PAN}).outcome == (403, "denied")
    assert partner.tokenize_all([PAN], format="cards") == [{"error": {"code": "denied"}}]
    assert partner.tokenize_all([{"pan": PAN, "format": "partner"}, {"pan": PAN, "format": "cards"}])[1] == {
        "error": {"code": "denied"}}


def test_a_purpose_is_mandatory_and_must_be_the_clients(vault, token):
    """Without one: malformed. One that is not the client's, known or unknown: `purpose_denied`. Bulk likewise."""
    billing, partner = vault.client("billing"), vault.client("partner")
    assert billing.post("/v1/detokenize", {"token": token}).outcome == (400, "malformed")
    assert billing.post("/v1/detokenize", {"tokens": [token]}).outcome == (400, "malformed")
    assert billing.post("/v1/detokenize", {"purpose": "", "token": token}).outcome == (400, "malformed")
    for purpose in ("marketing", "no-such-purpose"):
        answer = billing.post("/v1/detokenize", {"purpose": purpose, "token": token})
        assert answer.outcome == (403, "purpose_denied")
    own = partner.tokenize(PAN, format="partner")
    assert partner.post("/v1/detokenize", {"purpose": "refund", "token": own}).outcome == (403, "purpose_denied")
    assert partner.detokenize(own) == PAN

    def bulk(headers):
        return billing.post("/v1/detokenize", token, type="text/plain", headers=headers)

    assert bulk({}).outcome == (400, "malformed")
    assert bulk({"Strongroom-Purpose": "marketing"}).outcome == (403, "purpose_denied")
    assert bulk({"Strongroom-Purpose": "refund"}).body == PAN.encode() + b"\n"


def test_bulk_calls_need_the_same_rights(vault, token):
    """The line form is no side door."""
    support, partner = vault.client("support"), vault.client("partner")
    assert support.post("/v1/tokenize", PAN, type="text/plain").outcome == (403, "denied")
    answer = support.post("/v1/detokenize", token, type="text/plain", headers={"Strongroom-Purpose": "charge"})
    assert answer.outcome == (403, "denied")
    assert partner.post("/v1/tokenize", PAN, type="text/plain").outcome == (403, "denied")
    answer = partner.post("/v1/tokenize", PAN, type="text/plain", headers={"Strongroom-Format": "cards"})
    assert answer.outcome == (403, "denied")
    answer = partner.post("/v1/detokenize", token, type="text/plain", headers={"Strongroom-Purpose": "charge"})
    assert answer.body == b"!not_found\n"
    assert vault.client("stranger").post("/v1/tokenize", PAN, type="text/plain").outcome == (401, "unknown_client")


def test_rights_are_the_same_on_the_unix_socket(vault, token):
    """TLS and certificates there too; the Unix identity gives nothing."""
    assert vault.client("billing", unix=True).detokenize(token) == PAN
    assert vault.client("checkout", unix=True).post(
        "/v1/detokenize", {"purpose": "charge", "token": token}).outcome == (403, "denied")
    assert vault.client("stranger", unix=True).post("/v1/inspect", {"token": token}).outcome == (401, "unknown_client")


def public_key_hash(certificate):
    """SHA-256 of a certificate's public key information, by openssl."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], capture_output=True, check=True)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout, capture_output=True, check=True)
    return hashlib.sha256(der.stdout).hexdigest()


def test_a_client_can_be_known_by_its_public_key(new_vault):
    """The SPKI hash as `openssl` computes it names the client; another key with the same right to connect does not."""
    certificate = strongroom.certificates() / "support.crt"
    entry = strongroom.client("by-key", ["tokenize"], ["cards"])
    entry["certificate"] = {"spki_sha256": public_key_hash(certificate)}
    vault = new_vault(strongroom.settings(clients=[entry]))
    assert cards.passes_luhn(PAN) and vault.client("support").tokenize(PAN)
    assert vault.client("checkout").post("/v1/tokenize", {"pan": PAN}).outcome == (401, "unknown_client")
    assert b"by-key" in vault.control("/v1/clients")[1]


def test_a_vault_without_clients_lets_no_one_do_anything(new_vault):
    """Deny by default."""
    vault = new_vault(strongroom.settings(clients=[]))
    assert vault.client("checkout").post("/v1/tokenize", {"pan": PAN}).outcome == (401, "unknown_client")


def test_inspect_shows_the_digits_that_a_client_may_see_and_no_others(new_vault):
    """Both, one or none of BIN and last four, alone and in a batch; the whole number for a right of its own."""
    shows = {"checkout": None, "support": ["bin"], "partner": ["last4"], "billing": []}
    clients = []
    for name, show in shows.items():
        entry = strongroom.client(name, ["tokenize", "inspect"], ["cards"])
        clients.append(entry if show is None else entry | {"show": show})
    clients[3] |= {"allow": ["inspect", "detokenize"], "purposes": ["charge"]}
    vault = new_vault(strongroom.settings(clients=clients))
    token = vault.client("checkout").tokenize(PAN)
    for name, show in shows.items():
        client = vault.client(name)
        expected = {"bin": PAN[:8], "last4": PAN[-4:]} if show is None else {
            digits: {"bin": PAN[:8], "last4": PAN[-4:]}[digits] for digits in show}
        one = client.post("/v1/inspect", {"token": token})
        many = client.post("/v1/inspect", {"tokens": [token, token]}).json()["results"]
        for shown in (one.json(), *many):
            assert {digits: shown[digits] for digits in ("bin", "last4") if digits in shown} == expected
            assert shown["brand"] == "mastercard" and shown["format"] == "cards"
        assert PAN.encode() not in one.body
        assert (PAN[:6].encode() in one.body) == ("bin" in expected)
    assert vault.client("billing").detokenize(token) == PAN
    vault.values["clients"][3]["show"] = ["last4"]
    vault.write_config()
    assert vault.reload()
    assert vault.client("billing").inspect(token)["last4"] == PAN[-4:], "a reload takes it up"
