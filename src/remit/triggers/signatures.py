"""Whether a request is signed by whom it should be: Standard Webhooks 1.0, and HMAC-SHA256 in the forms of others."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from remit.registry import Webhook

_HEADER_MAX = 2_000
#: Standard Webhooks, "Signature scheme": several may stand in the header while keys change.
_SIGNATURES_MAX = 20
_PREFIX = "whsec_"


class Forged(Exception):
    """The request is not signed as it should be. Why is for counts and logs here, never for the sender."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def verify(webhook: Webhook, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The id of a request that is signed with one of the secrets: one that the signature covers.

    `headers` has names in small letters; `now` is in seconds since 1970-01-01 UTC.

    Raises:
        Forged: no signature of ours, or not of now.
    """
    if webhook.hmac is None:
        return _standard(webhook, secrets, headers, body, now)
    form = webhook.hmac
    given = _header(headers, form.header)
    if not given.startswith(form.prefix):
        raise Forged("no_signature")
    signed = body
    if form.timestamp_header:
        timestamp = _header(headers, form.timestamp_header)
        _check_time(timestamp, webhook.tolerance_seconds, now)
        signed = timestamp.encode() + b"." + body
    signature = _decoded(given.removeprefix(form.prefix), form.encoding)
    _check(signature, signed, [secret.encode() for secret in secrets])
    # A header beside the body may hold an id, but nothing vouches for it: who replays the request could change it.
    return hashlib.sha256(signed).hexdigest()


def sign(secret: str, name: str, seconds: int, body: bytes) -> str:
    """The signature of a request of our own, as Standard Webhooks has it."""
    digest = hmac.digest(_standard_key(secret), f"{name}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def _standard(webhook: Webhook, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    name, timestamp = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    _check_time(timestamp, webhook.tolerance_seconds, now)
    signed = f"{name}.{timestamp}.".encode() + body
    given = _header(headers, "webhook-signature").split(" ")[:_SIGNATURES_MAX]
    signatures = [_decoded(one.removeprefix("v1,"), "base64") for one in given if one.startswith("v1,")]
    keys = [_standard_key(secret) for secret in secrets]
    for signature in signatures:
        try:
            _check(signature, signed, keys)
        except Forged:
            continue
        return name
    raise Forged("signature" if signatures else "no_signature")


def _check(signature: bytes, signed: bytes, keys: Sequence[bytes]) -> None:
    # Every key is tried, whichever fits, so that the time tells nothing.
    fits = [hmac.compare_digest(hmac.digest(key, signed, hashlib.sha256), signature) for key in keys]
    if not any(fits):
        raise Forged("signature")


def _check_time(timestamp: str, tolerance_seconds: int, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Forged("timestamp")
    if abs(now - int(timestamp)) > tolerance_seconds:
        raise Forged("too_old")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower(), "")
    if not value or len(value) > _HEADER_MAX:
        raise Forged("no_signature")
    return value


def _decoded(text: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Forged("signature") from None


def _standard_key(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return secret.encode()  # a key that is no base64 is taken as it is
