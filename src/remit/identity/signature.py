"""Signed requests: a profile of HTTP Message Signatures (RFC 9421) with a digest of the content (RFC 9530).

A request carries one signature. It covers method, authority, path, query, the digest of the body and the token, so that
none of them can be exchanged; `created`, `expires` and `nonce` bound in time and number how often it is taken.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from remit.errors import SignatureInvalid, SignatureMissing
from remit.identity.confirmation import ConfirmationKey, RequestSigner

#: What a signature covers: all of these, in any order, and nothing else.
COVERED = ("@method", "@authority", "@path", "@query", "content-digest", "authorization")
#: How far the clocks of the two sides may differ.
SKEW_SECONDS = 30
#: How long a signature may be taken; each nonce is remembered for that long.
LIFE_SECONDS_MAX = 60
_LABEL = "remit"
_INPUT = re.compile(
    r"(?P<label>[a-z*][a-z0-9_.*-]{0,63})="
    r'(?P<params>\((?P<covered>(?:"[a-z0-9@-]{1,40}"(?: (?!\))|(?=\))))*)\)'
    r'(?P<rest>(?:;[a-z]{1,10}=(?:[0-9]{1,15}|"[ !#-\[\]-~]{0,200}"))*))'
)
_PARAMETER = re.compile(r';([a-z]+)=(?:([0-9]+)|"([^"]*)")')
_SIGNATURE = re.compile(r"(?P<label>[a-z*][a-z0-9_.*-]{0,63})=:(?P<value>[A-Za-z0-9+/]{0,200}={0,2}):")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_FIELDS = ("content-digest", "authorization", "signature-input", "signature")


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request is signed."""

    method: str
    #: As the Host header has it: the name, and the port where it is not the scheme's own.
    authority: str
    #: As it was sent, still percent-encoded.
    path: str
    #: Without the question mark; empty where there is none.
    query: str
    body: bytes

    def component(self, name: str) -> str:
        """A derived component's value (RFC 9421, section 2.2)."""
        match name:
            case "@method":
                return self.method
            case "@authority":
                return self.authority.lower()
            case "@path":
                return self.path or "/"
            case "@query":
                return f"?{self.query}"
        raise SignatureInvalid(f"{name} is no component of a request here.", rule="signature_components")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that held; whether it was received before is still to be asked."""

    nonce: str
    #: Seconds since 1970.
    created: int
    expires: int


def sign(
    request: Request, authorization: str, signer: RequestSigner, *, created: int, nonce: str, seconds: int = 30
) -> dict[str, str]:
    """The headers that a client adds to a request.

    Args:
        request: what is about to be sent.
        authorization: the value of the Authorization header, `Bearer TOKEN`.
        signer: the key that the token confirms.
        created: now, in seconds since 1970.
        nonce: 16 to 64 letters, digits, `-` and `_` that were never used with this key; take 128 random bits.
        seconds: how long the request may be on its way, 1 to 60.
    """
    digest = content_digest(request.body)
    covered = " ".join(f'"{name}"' for name in COVERED)
    params = f'({covered});created={created};expires={created + seconds};nonce="{nonce}"'
    params += f';keyid="{signer.public.thumbprint}";alg="{signer.public.algorithm}"'
    fields = {"content-digest": digest, "authorization": authorization}
    base = signature_base(_values(request, fields, COVERED), params)
    return {
        "Authorization": authorization,
        "Content-Digest": digest,
        "Signature-Input": f"{_LABEL}={params}",
        "Signature": f"{_LABEL}=:{b64encode(signer.sign(base)).decode()}:",
    }


def check(request: Request, headers: Iterable[tuple[str, str]], key: ConfirmationKey, *, now: float) -> Signed:
    """What the signature of a request says, once it held under `key`; `now` is in seconds since 1970.

    Raises:
        SignatureMissing: there is none.
        SignatureInvalid: it is not of this profile, not of this time, not of this key, or not of this request.
    """
    fields = _fields(headers)
    label, params, covered, stated = _parsed(fields["signature-input"])
    if sorted(covered) != sorted(COVERED):
        raise SignatureInvalid(f"It must cover exactly {', '.join(COVERED)}.", rule="signature_components")
    if stated["keyid"] != key.thumbprint or stated.get("alg", key.algorithm) != key.algorithm:
        raise SignatureInvalid("It was made with another key than the token confirms.", rule="signature_key")
    signed = _in_time(stated, now)
    if not compare_digest(fields["content-digest"].encode("utf-8", "replace"), content_digest(request.body).encode()):
        raise SignatureInvalid("The body is not the one that was signed.", rule="signature_digest")
    value = _SIGNATURE.fullmatch(fields["signature"])
    if value is None or value["label"] != label:
        raise SignatureInvalid("The Signature header is not in form.", rule="signature_form")
    base = signature_base(_values(request, fields, covered), params)
    try:
        signature = b64decode(value["value"], validate=True)
    except ValueError as error:
        raise SignatureInvalid("The Signature header is not in form.", rule="signature_form") from error
    if not key.verifies(signature, base):
        raise SignatureInvalid("It does not fit what was received.", rule="signature_value")
    return signed


def signature_base(values: Sequence[tuple[str, str]], params: str) -> bytes:
    """The text that is signed (RFC 9421, section 2.5): each component on a line, the parameters last."""
    lines = [f'"{name}": {value}' for name, value in values]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")


def content_digest(body: bytes) -> str:
    """The Content-Digest header of a body (RFC 9530, section 2)."""
    return f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"


def _fields(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        if name in _FIELDS:
            if name in found:
                raise SignatureInvalid(f"The header {name} stands twice.", rule="signature_form")
            found[name] = value.strip()
    if "signature" not in found or "signature-input" not in found:
        raise SignatureMissing
    absent = [name for name in _FIELDS if name not in found]
    if absent:
        raise SignatureInvalid(f"The header {absent[0]} is missing.", rule="signature_form")
    return found


def _parsed(text: str) -> tuple[str, str, list[str], dict[str, str]]:
    """Label, parameters as they were sent, covered components and each parameter."""
    found = _INPUT.fullmatch(text)
    if found is None:
        raise SignatureInvalid("The Signature-Input header is not in form.", rule="signature_form")
    stated: dict[str, str] = {}
    for name, number, quoted in _PARAMETER.findall(found["rest"]):
        # A number stands bare and a text in quotes: RFC 9421 reads anything else as another type.
        if name in stated or bool(number) != (name in {"created", "expires"}):
            raise SignatureInvalid(f"The parameter {name} is not in form.", rule="signature_form")
        stated[name] = number or quoted
    if not {"created", "expires", "nonce", "keyid"} <= stated.keys() <= {"created", "expires", "nonce", "keyid", "alg"}:
        raise SignatureInvalid("It must state created, expires, nonce and keyid.", rule="signature_parameters")
    return found["label"], found["params"], found["covered"].replace('"', "").split(), stated


def _in_time(stated: dict[str, str], now: float) -> Signed:
    created, expires = int(stated["created"]), int(stated["expires"])
    if not 0 < expires - created <= LIFE_SECONDS_MAX:
        raise SignatureInvalid(f"It must hold for 1 to {LIFE_SECONDS_MAX} seconds.", rule="signature_time")
    if created > now + SKEW_SECONDS:
        raise SignatureInvalid("It was made in the future: compare the clocks.", rule="signature_time")
    if now > expires:
        raise SignatureInvalid("Its time is over: sign again, and compare the clocks.", rule="signature_time")
    if not _NONCE.fullmatch(stated["nonce"]):
        raise SignatureInvalid("The nonce must be 16 to 64 letters, digits, - and _.", rule="signature_parameters")
    return Signed(stated["nonce"], created, expires)


def _values(request: Request, fields: dict[str, str], names: Sequence[str]) -> list[tuple[str, str]]:
    values = [(name, request.component(name) if name.startswith("@") else fields[name]) for name in names]
    # A line end inside a value would let it speak for the component after it.
    if not all(value.isascii() and value.isprintable() for _, value in values):
        raise SignatureInvalid("What is signed holds more than printable ASCII.", rule="signature_form")
    return values
