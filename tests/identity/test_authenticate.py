import pytest
from tests.identity.tokens import (
    KEY,
    NONCE,
    NOW,
    REQUEST,
    VIEW,
    StillClock,
    a_signer,
    a_token,
    an_authenticator,
    sent,
    signed_headers,
)

from remit.errors import (
    RightsExceeded,
    SignatureInvalid,
    SignatureMissing,
    SignatureReplayed,
    TokenExpired,
    TokenMalformed,
    TokenRevoked,
    Unauthenticated,
)
from remit.identity import Revocations, TokenView

SIGNER = a_signer()
SIGNED = a_token(confirmed=SIGNER.public)
BEARER = a_token(token="tok-b")


def bearer(token=BEARER):
    return [("Authorization", f"Bearer {token}")]


def test_a_bearer_is_taken_from_this_machine_only():
    assert sent(an_authenticator(), bearer(), loopback=True).token == "tok-b"
    with pytest.raises(SignatureMissing) as refused:
        sent(an_authenticator(), bearer())
    assert refused.value.rule == "bearer_not_local"


def test_asi03_a_stolen_token_that_confirms_a_key_is_worth_nothing_without_it():
    door = an_authenticator()
    with pytest.raises(SignatureMissing):
        sent(door, bearer(SIGNED), loopback=True)
    with pytest.raises(SignatureInvalid):
        sent(door, signed_headers(SIGNED, a_signer()), loopback=True)

    assert sent(door, signed_headers(SIGNED, SIGNER)).token == "tok-1"


def test_asi07_a_request_that_was_heard_is_not_taken_again():
    clock = StillClock()
    door = an_authenticator(clock)
    heard = signed_headers(SIGNED, SIGNER)
    assert sent(door, heard)

    for seconds in (0, 29):
        clock.at = NOW + seconds
        with pytest.raises(SignatureReplayed):
            sent(door, heard)
    clock.at = NOW + 31
    with pytest.raises(SignatureInvalid):
        sent(door, heard)
    assert sent(door, signed_headers(SIGNED, SIGNER, created=NOW + 31, nonce=NONCE[::-1]))


def test_asi07_a_nonce_that_was_never_taken_is_not_used_up_by_a_forger():
    door = an_authenticator()
    with pytest.raises(SignatureInvalid):
        sent(door, signed_headers(SIGNED, SIGNER), body=b"forged")

    assert sent(door, signed_headers(SIGNED, SIGNER))


def test_asi07_a_tampered_body_is_noticed():
    with pytest.raises(SignatureInvalid) as refused:
        sent(an_authenticator(), signed_headers(SIGNED, SIGNER), body=REQUEST.body.replace(b"call", b"list"))
    assert refused.value.rule == "signature_digest"


def test_a_signature_beside_a_bearer_token_proves_nothing_and_says_so():
    with pytest.raises(SignatureInvalid, match="proves nothing"):
        sent(an_authenticator(), signed_headers(BEARER, SIGNER), loopback=True)


@pytest.mark.parametrize("headers", [[], [("authorization", "Basic x")], [("Authorization", "")]])
def test_a_request_without_a_token_is_told_what_to_send(headers):
    with pytest.raises(Unauthenticated):
        sent(an_authenticator(), headers, loopback=True)


def test_two_tokens_in_one_request_are_refused():
    with pytest.raises(TokenMalformed):
        sent(an_authenticator(), [*bearer(), *bearer(SIGNED)], loopback=True)


def test_a_token_that_was_taken_before_is_refused_once_it_has_expired_or_was_revoked():
    clock = StillClock()
    door = an_authenticator(clock)
    assert sent(door, bearer(), loopback=True)

    door.view = TokenView(VIEW.keys, Revocations({"agent/clerk": NOW * 10**6}))
    with pytest.raises(TokenRevoked):
        sent(door, bearer(), loopback=True)
    door.view = VIEW
    clock.at = NOW + 600
    with pytest.raises(TokenExpired):
        sent(door, bearer(), loopback=True)


def test_a_person_or_agent_that_is_no_longer_active_is_asked_after_each_time():
    left = []

    def require_active(identity):
        if identity.principal in left:
            raise RightsExceeded(f"{identity.principal} has left.")

    door = an_authenticator(require_active=require_active)
    assert sent(door, bearer(), loopback=True)
    left.append("anna")

    with pytest.raises(RightsExceeded):
        sent(door, bearer(), loopback=True)


def test_a_token_is_verified_once_and_known_again():
    door = an_authenticator()
    first = sent(door, bearer(), loopback=True)

    assert sent(door, bearer(), loopback=True) is first
    door.view = TokenView({KEY.kid: KEY})
    assert sent(door, bearer(), loopback=True) is first, "a view that says the same changes nothing"
    door.view = TokenView(VIEW.keys, Revocations({"agent/other": 1}))
    assert sent(door, bearer(), loopback=True) is not first
