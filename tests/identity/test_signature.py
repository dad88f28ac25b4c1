import asyncio
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey
from tests.identity.tokens import NOW, REQUEST, a_signer, signed_headers

from remit.errors import InvalidInput, NotAuthentic, ReplayWindowFull, SignatureInvalid, SignatureMissing
from remit.identity import ConfirmationKey, NonceMemory, Request, RequestSigner
from remit.identity.signature import check, content_digest, sign, signature_base

#: RFC 9421, appendix B.1.4 and B.1.3: keys for tests, published with both halves.
ED25519 = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs",
    "d": "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU",
}
P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
    "y": "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0",
    "d": "UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs",
}


def public(jwk):
    return ConfirmationKey.of({name: value for name, value in jwk.items() if name != "d"})


def base64(text):
    import base64

    return base64.b64decode(text)


# --- the vectors of RFC 9421; their components are other than this profile's, so the text and the key are checked


def test_rfc_9421_b26_an_ed25519_signature_is_made_and_checked_byte_for_byte():
    values = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    params = '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    params += ';created=1618884473;keyid="test-key-ed25519"'
    told = base64("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")

    base = signature_base(values, params)

    assert RequestSigner.of(OKPKey.import_key(dict(ED25519)).private_key).sign(base) == told
    assert public(ED25519).verifies(told, base)
    assert not public(ED25519).verifies(told, base + b" ")


def test_rfc_9421_b24_an_ecdsa_signature_on_p256_is_checked():
    digest = "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
    values = [
        ("@status", "200"),
        ("content-type", "application/json"),
        ("content-digest", digest),
        ("content-length", "23"),
    ]
    params = '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"'
    told = base64("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==")

    base = signature_base(values, params)

    assert public(P256).verifies(told, base)
    assert not public(P256).verifies(told[:-1] + bytes([told[-1] ^ 1]), base)
    assert not public(P256).verifies(told[:-1], base)
    # An ECDSA signature differs each time: what our side makes can only be checked.
    mine = RequestSigner.of(ECKey.import_key(dict(P256)).private_key).sign(base)
    assert len(mine) == 64
    assert public(P256).verifies(mine, base)


def test_rfc_9530_the_digest_of_a_body():
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


# --- the profile


SIGNER = a_signer()


def headers(**more):
    return signed_headers("token", SIGNER, **more)


def checked(sent, *, request=REQUEST, at=NOW, key=SIGNER.public):
    return check(request, sent, key, now=at)


def changed(name, old, new):
    return [(key, value.replace(old, new) if key == name else value) for key, value in headers()]


@pytest.mark.parametrize("private", [a_signer(), RequestSigner.of(ec.generate_private_key(ec.SECP256R1()))])
def test_a_signed_request_is_taken_with_either_kind_of_key(private):
    sent = signed_headers("token", private)

    assert checked(sent, key=private.public).nonce == "nonce-0123456789"


def test_a_key_on_another_curve_signs_nothing():
    with pytest.raises(InvalidInput):
        RequestSigner.of(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize(
    "other",
    [
        {"method": "DELETE"},
        {"authority": "door.example:8443"},
        {"authority": "evil.example"},
        {"path": "/mcp/"},
        {"path": "/%6dcp"},
        {"query": "source=bank"},
        {"query": ""},
        {"body": b'{"method":"tools/call" }'},
        {"body": b""},
    ],
)
def test_asi07_whatever_is_changed_on_the_way_is_noticed(other):
    with pytest.raises(SignatureInvalid):
        checked(headers(), request=replace(REQUEST, **other))


def test_asi07_a_body_with_a_digest_of_its_own_does_not_fit_the_signature():
    forged = [(name, content_digest(b"other") if name == "Content-Digest" else value) for name, value in headers()]

    with pytest.raises(SignatureInvalid) as refused:
        checked(forged, request=replace(REQUEST, body=b"other"))
    assert refused.value.rule == "signature_value"


def test_asi03_a_signature_does_not_carry_another_token():
    with pytest.raises(SignatureInvalid) as refused:
        checked(changed("Authorization", "token", "stolen"))
    assert refused.value.rule == "signature_value"


def test_an_authority_is_compared_without_case_and_an_empty_path_is_the_root():
    request = Request("GET", "door.example", "/", "", b"")
    sent = signed_headers("token", SIGNER, request=replace(request, authority="Door.Example", path=""))

    assert checked(sent, request=request)


@pytest.mark.parametrize("name", ["@method", "@authority", "@path", "@query", "content-digest", "authorization"])
def test_no_component_may_be_left_out(name):
    with pytest.raises(SignatureInvalid) as refused:
        checked(changed("Signature-Input", f'"{name}"', '"x"'))
    assert refused.value.rule == "signature_components"


def test_components_may_stand_in_another_order_as_other_libraries_write_them():
    order = ["authorization", "@query", "content-digest", "@path", "@method", "@authority"]
    covered = " ".join(f'"{name}"' for name in order)
    params = f'({covered});nonce="{"n" * 22}";created={NOW};keyid="{SIGNER.public.thumbprint}";expires={NOW + 10}'
    fields = dict(headers())
    given_values = {
        "authorization": fields["Authorization"],
        "content-digest": fields["Content-Digest"],
        "@method": "POST",
        "@authority": "door.example",
        "@path": "/mcp",
        "@query": "?source=erp",
    }
    base = signature_base([(name, given_values[name]) for name in order], params)
    import base64

    fields |= {
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{base64.b64encode(SIGNER.sign(base)).decode()}:",
    }

    assert checked(list(fields.items())).nonce == "n" * 22


@pytest.mark.parametrize(("at", "fine"), [(-30, True), (-31, False), (0, True), (30, True), (31, False)])
def test_a_signature_holds_from_thirty_seconds_before_until_it_expires(at, fine):
    if fine:
        assert checked(headers(), at=NOW + at)
    else:
        with pytest.raises(SignatureInvalid) as refused:
            checked(headers(), at=NOW + at)
        assert refused.value.rule == "signature_time"


@pytest.mark.parametrize("seconds", [0, -5, 61, 100_000])
def test_a_signature_that_holds_for_ever_is_not_taken(seconds):
    with pytest.raises(SignatureInvalid) as refused:
        checked(headers(seconds=seconds))
    assert refused.value.rule in {"signature_time", "signature_form"}


@pytest.mark.parametrize("nonce", ["", "short", "n" * 65, "nonce with spaces", 'quote"nonce-012345'])
def test_a_nonce_has_its_form(nonce):
    with pytest.raises(SignatureInvalid):
        checked(headers(nonce=nonce))


def test_another_key_or_algorithm_than_the_token_confirms_is_refused():
    other = a_signer()
    for sent, key in (
        (headers(), other.public),
        (changed("Signature-Input", "ed25519", "ecdsa-p256-sha256"), SIGNER.public),
        (changed("Signature-Input", SIGNER.public.thumbprint, other.public.thumbprint), other.public),
    ):
        with pytest.raises(SignatureInvalid):
            checked(sent, key=key)


def test_a_request_without_a_signature_is_told_so():
    for absent in ("Signature", "Signature-Input"):
        with pytest.raises(SignatureMissing):
            checked([pair for pair in headers() if pair[0] != absent])
    with pytest.raises(SignatureInvalid):
        checked([pair for pair in headers() if pair[0] != "Content-Digest"])


@pytest.mark.parametrize("name", ["Authorization", "Content-Digest", "Signature-Input", "Signature"])
def test_no_header_that_is_signed_may_stand_twice(name):
    with pytest.raises(SignatureInvalid, match="stands twice"):
        checked([*headers(), (name.lower(), dict(headers())[name])])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (";created=", ";created=0"),
        (";nonce=", ";nonce=1;nonce="),
        (";nonce=", ";tag="),
        (";created=18", ';created="18'),
        ("remit=(", 'remit=("@method" '),
        ("remit=", "remit=(),remit="),
        (";alg", " ;alg"),
        ('"@query"', '"@query";req'),
    ],
)
def test_what_is_not_of_this_profile_is_refused(old, new):
    with pytest.raises(SignatureInvalid):
        checked(changed("Signature-Input", old, new))


def test_a_line_end_in_a_path_does_not_speak_for_another_component():
    request = replace(REQUEST, path='/mcp\n"@query": ?source=bank')

    with pytest.raises(SignatureInvalid):
        checked(headers(), request=request)
    with pytest.raises(SignatureInvalid):
        sign(request, "Bearer token", SIGNER, created=NOW, nonce="n" * 22)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["Signature-Input", "Signature", "Content-Digest"]),
    st.integers(0, 400),
    st.text(max_size=4),
    st.integers(0, 4),
)
def test_no_header_makes_the_check_stumble(name, place, text, gone):
    told = dict(headers())[name]
    spoilt = told[:place] + text + told[place + gone :]

    if spoilt.strip() != told:
        with pytest.raises(NotAuthentic):
            checked([(key, spoilt if key == name else value) for key, value in headers()])


# --- nonces


def claimed(memory, nonce, *, key="k", created=NOW, until=NOW + 30, now=NOW):
    return asyncio.run(memory.claim(key, nonce, created_us=created * 10**6, until_us=until * 10**6, now_us=now * 10**6))


def test_a_nonce_is_taken_once_for_each_key_and_forgotten_when_its_signature_has_expired():
    memory = NonceMemory((NOW - 5) * 10**6)

    assert claimed(memory, "a")
    assert not claimed(memory, "a", now=NOW + 30)
    assert claimed(memory, "a", key="other")
    assert claimed(memory, "b", created=NOW + 31, until=NOW + 60, now=NOW + 31)
    assert len(memory) == 1


def test_what_was_signed_before_the_memory_began_may_have_been_taken():
    assert not claimed(NonceMemory(NOW * 10**6), "a", created=NOW - 1)


def test_nothing_that_must_be_remembered_is_forgotten_when_the_memory_is_full():
    memory = NonceMemory(0, at_most=3, of_one_key=2)
    assert claimed(memory, "a")
    assert claimed(memory, "b")

    with pytest.raises(ReplayWindowFull):
        claimed(memory, "c")
    assert claimed(memory, "a", key="other"), "one key does not use up the room of the others"
    with pytest.raises(ReplayWindowFull):
        claimed(memory, "a", key="third")
    assert not claimed(memory, "a")
