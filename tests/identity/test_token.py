import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey
from tests.identity.tokens import ISSUER, KEY, NOW, VIEW, a_signer, a_token, an_identity, verified

from remit.errors import (
    InvalidInput,
    KeyMissing,
    NotAuthentic,
    TokenAlgorithm,
    TokenExpired,
    TokenForged,
    TokenMalformed,
    TokenNotYetValid,
    TokenRevoked,
    TokenTooLong,
    TokenUnknownKey,
    TokenWrongAudience,
)
from remit.identity import ConfirmationKey, IssuingKey, Revocations, TokenView, issue


def parts(token):
    head, body, _ = token.split(".")
    return [orjson.loads(urlsafe_b64decode(part + "==")) for part in (head, body)]


def text(value):
    return urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def signed_claims(**changed):
    """A token whose claims are not what `issue` would write, under the home's own key."""
    header, claims = parts(a_token())
    return jws.serialize_compact(header, orjson.dumps({**claims, **changed}), KEY.jwk, algorithms=["ES256"])


def revoked(scope, *, at=NOW):
    return TokenView(VIEW.keys, Revocations({scope: at * 1_000_000}))


@pytest.mark.parametrize("mission", ["msn-1", None])
def test_a_token_says_again_what_was_issued(mission):
    identity = an_identity(mission=mission, confirmed=a_signer().public, parents=("tok-0",))

    assert verified(issue(identity, ISSUER, KEY)) == identity


def test_a_token_lives_to_its_end_and_not_a_second_longer():
    token = a_token(seconds=300)

    assert verified(token, at=NOW + 299).token == "tok-1"
    with pytest.raises(TokenExpired):
        verified(token, at=NOW + 300)


def test_a_token_of_a_clock_that_is_far_ahead_is_not_yet_valid():
    token = a_token()

    assert verified(token, at=NOW - 30)
    with pytest.raises(TokenNotYetValid):
        verified(token, at=NOW - 31)


def test_nothing_is_issued_for_longer_than_fifteen_minutes_and_nothing_longer_is_taken():
    with pytest.raises(TokenTooLong):
        a_token(seconds=901)
    with pytest.raises(TokenTooLong):
        verified(signed_claims(exp=NOW + 901))
    with pytest.raises(TokenTooLong):
        verified(signed_claims(exp=NOW))


def test_a_token_for_another_home_or_of_another_home_is_refused():
    with pytest.raises(TokenWrongAudience):
        verified(a_token(audience="urn:remit:home:other"))
    with pytest.raises(TokenWrongAudience, match="Another home issued it"):
        verified(a_token(), issuer="urn:remit:home:other")


def test_a_key_that_is_not_the_homes_is_unknown_and_so_is_one_whose_last_token_has_expired():
    stranger = IssuingKey.generate(1)
    retired = IssuingKey(KEY.kid, KEY.epoch, KEY.jwk, until_us=(NOW + 60) * 1_000_000)
    view = TokenView({KEY.kid: retired})

    with pytest.raises(TokenUnknownKey):
        verified(issue(an_identity(), ISSUER, stranger))
    assert verified(a_token(), at=NOW + 59, view=view)
    with pytest.raises(TokenUnknownKey):
        verified(a_token(), at=NOW + 60, view=view)


def test_a_token_that_names_another_epoch_than_its_key_is_refused():
    with pytest.raises(TokenUnknownKey, match="epoch"):
        verified(signed_claims(epoch=2))


def test_a_stranger_who_signs_under_the_homes_key_name_is_refused():
    header, claims = parts(a_token())
    stranger = ECKey.generate_key("P-256")

    with pytest.raises(TokenForged):
        verified(jws.serialize_compact(header, orjson.dumps(claims), stranger, algorithms=["ES256"]))


@pytest.mark.parametrize("claim", ["principal", "tools", "exp"])
def test_a_claim_that_was_changed_is_noticed(claim):
    head, body, signature = a_token().split(".")
    claims = orjson.loads(urlsafe_b64decode(body + "=="))
    claims["chain"][0] = "principal:ceo" if claim == "principal" else claims["chain"][0]
    claims["tools"] = ["*"] if claim == "tools" else claims["tools"]
    claims["exp"] += 1 if claim == "exp" else 0

    with pytest.raises(TokenForged):
        verified(f"{head}.{text(claims)}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES384", "EdDSA", "", None, 7])
def test_asi03_no_other_algorithm_is_taken_whatever_the_header_says(algorithm):
    _, body, signature = a_token().split(".")

    with pytest.raises(TokenAlgorithm):
        verified(f"{text({'alg': algorithm, 'kid': KEY.kid, 'typ': 'remit-agent+jwt'})}.{body}.{signature}")
    with pytest.raises(TokenMalformed):
        verified(f"{text({'alg': algorithm, 'kid': KEY.kid, 'typ': 'remit-agent+jwt'})}.{body}.")


def test_asi03_the_public_key_is_no_secret_of_an_hmac():
    _, body, _ = a_token().split(".")
    signed = f"{text({'alg': 'HS256', 'kid': KEY.kid, 'typ': 'remit-agent+jwt'})}.{body}"
    secret = KEY.jwk.as_pem(private=False)
    forged = urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha512)).rstrip(b"=").decode()

    with pytest.raises(TokenAlgorithm):
        verified(f"{signed}.{forged}")


@pytest.mark.parametrize("field", ["jwk", "jku", "x5c", "x5u", "crit", "b64", "zip"])
def test_asi03_a_header_brings_no_key_and_no_extension(field):
    mine = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "kid": KEY.kid, "typ": "remit-agent+jwt", field: mine.as_dict(private=False)}
    body = text(parts(a_token())[1])
    signature = jws.serialize_compact({"alg": "ES256"}, b"x", mine).split(".")[2]

    with pytest.raises(TokenMalformed):
        verified(f"{text(header)}.{body}.{signature}")


def test_another_jwt_of_the_home_is_no_agents_token():
    _, claims = parts(a_token())
    other = jws.serialize_compact({"alg": "ES256", "kid": KEY.kid, "typ": "JWT"}, orjson.dumps(claims), KEY.jwk)

    with pytest.raises(TokenMalformed):
        verified(other)


@pytest.mark.parametrize(
    "changed",
    [
        {"chain": ["principal:anna", "agent:clerk@1.0.0"]},
        {"chain": ["principal:anna", "mission:msn-2", "agent:clerk@1.0.0"]},
        {"chain": ["principal:anna", "mission:msn-1", "agent:boss@1.0.0"]},
        {"chain": ["agent:clerk@1.0.0", "mission:msn-1", "agent:clerk@1.0.0"]},
        {"chain": ["principal:anna", "mission:msn-1", "principal:ceo", "agent:clerk@1.0.0"]},
        {"mission": 7},
        {"budget_usd_micros": -1},
        {"budget_usd_micros": 1.5},
        {"tools": ["erp__[a]"]},
        {"tools": "*"},
        {"exp": "never"},
        {"nbf": 0},
        {"iat_us": 1},
        {"admin": True},
    ],
)
def test_claims_that_are_not_in_form_are_refused_even_under_the_homes_key(changed):
    with pytest.raises(TokenMalformed):
        verified(signed_claims(**changed))


@pytest.mark.parametrize("junk", ["", ".", "..", "a.b", "a.b.c.d", "é.b.c", "[" * 400 + ".b.c", "a" * 9000 + ".b.c"])
def test_what_is_no_token_is_called_malformed(junk):
    with pytest.raises(TokenMalformed):
        verified(junk)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_text_makes_verification_stumble(data):
    token = a_token()
    place = data.draw(st.integers(0, len(token) - 1))
    spoilt = token[:place] + data.draw(st.text(max_size=3)) + token[place + data.draw(st.integers(1, 3)) :]

    if spoilt != token:
        with pytest.raises(NotAuthentic):
            verified(spoilt)


@pytest.mark.parametrize("scope", ["agent/clerk", "agent/clerk@1.0.0", "principal/anna"])
def test_a_revoked_agent_or_person_loses_what_was_issued_before_and_may_be_given_new_leave(scope):
    with pytest.raises(TokenRevoked, match=scope):
        verified(a_token(), view=revoked(scope))
    assert verified(a_token(at=NOW + 1), at=NOW + 1, view=revoked(scope))


@pytest.mark.parametrize("scope", ["token/tok-1", "token/tok-0", f"key/{KEY.kid}"], ids=["token", "parent", "key"])
def test_a_revoked_token_or_key_is_revoked_for_good_whatever_instant_a_token_names(scope):
    later = a_token(parents=("tok-0",), at=NOW + 1)

    with pytest.raises(TokenRevoked, match=scope):
        verified(later, at=NOW + 1, view=revoked(scope))


@pytest.mark.parametrize("scope", ["token/tok-2", "agent/cler", "agent/clerk@1.0.1", "principal/ann", "key/other"])
def test_what_is_revoked_holds_for_nothing_else(scope):
    assert verified(a_token(), view=revoked(scope))


def test_a_token_text_stands_in_no_error():
    token = a_token()
    for spoilt in (token[:-4], f"{token}.", token.replace(".", "!", 1)):
        with pytest.raises(NotAuthentic) as refused:
            verified(spoilt)
        assert token[:40] not in str(refused.value.to_json())
    assert KEY.jwk.as_dict(private=True)["d"] not in repr(KEY)


def test_a_kept_key_opens_under_its_own_name_only():
    assert IssuingKey.open(KEY.kid, 1, 0, KEY.secret) == KEY
    for kid, secret in (("other", KEY.secret), (KEY.kid, b"{}"), (KEY.kid, b"junk")):
        with pytest.raises(KeyMissing):
            IssuingKey.open(kid, 1, 0, secret)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519"},
        KEY.jwk.as_dict(private=True),
    ],
)
def test_only_a_public_key_of_two_kinds_is_confirmed(jwk):
    with pytest.raises(InvalidInput):
        ConfirmationKey.of(jwk)
