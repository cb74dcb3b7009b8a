"""Every problem answer of the contract, whole: an answer that is one of these holds no byte of a request."""

#: Code: status and title.
PROBLEMS = {
    "malformed": (400, "The request is not what this call takes."),
    "unknown_client": (401, "The client certificate belongs to no configured client."),
    "denied": (403, "This client may not do this."),
    "purpose_denied": (403, "This purpose is not allowed."),
    "not_found": (404, "There is no such thing for this client."),
    "method_not_allowed": (405, "Calls are made with POST."),
    "request_timeout": (408, "The request did not arrive in time."),
    "dual_control": (409, "A second person has to approve this."),
    "too_large": (413, "The request is over a limit."),
    "unsupported_media_type": (415, "The content type or encoding is not supported."),
    "invalid_pan": (422, "The card number is not valid."),
    "invalid_token": (422, "The token is not valid."),
    "invalid_expiry": (422, "The expiry date is not valid."),
    "sensitive_authentication_data": (422, "Security codes, track data and PINs are refused unread."),
    "throttled": (429, "The client is over its rate."),
    "internal_error": (500, "The vault failed."),
    "damaged_record": (500, "The stored record of this token is damaged."),
    "sealed": (503, "The vault is sealed."),
    "frozen": (503, "This is frozen until an operator unfreezes it."),
    "busy": (503, "The vault is at its capacity."),
    "audit_unavailable": (503, "The audit record cannot be written."),
    "outcome_unknown": (503, "Whether the change was stored is not known."),
    "write_stopped": (503, "The vault has stopped writing."),
    "storage_full": (507, "The storage is full."),
    "bucket_full": (507, "The format has no free tokens for this card."),
}

_FIELDS = {
    "content-type": {"application/problem+json"},
    "cache-control": {"no-store"},
    "connection": {"close"},
    "allow": {"POST"},
    "retry-after": {"1"},
}


def assert_known_problem(answer, *, to_head=False):
    """Status, every header field and every body byte of an error answer are the contract's own."""
    assert answer.status >= 400, answer
    for name, value in answer.headers.items():
        if name == "content-length":
            assert to_head or value == str(len(answer.body))
        else:
            assert value in _FIELDS[name], (name, value)
    if to_head:
        return
    problem = answer.json()
    status, title = PROBLEMS[problem["code"]]
    assert problem == {
        "type": f"urn:problem-type:strongroom:{problem['code']}", "title": title, "status": status,
        "code": problem["code"]}
    assert answer.status == status
