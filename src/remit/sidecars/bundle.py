"""A bundle: what a sidecar's door goes by, and the signed head that says which one is in force.

The head is a signed note under the key of the control plane's home. Its first lines can never be read as a seal of the
ledger. It names the sidecar, so that no other can be given it, and the nonce of the question that it answers, so that
an answer heard before proves nothing.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from remit.errors import BundleRefused, InvalidInput
from remit.ledger.seal import PublicKey, Signer, open_note

_TEXT = re.compile(
    r"remit-bundle/1\nsidecar ([a-z0-9-]{1,64})\nserial ([1-9][0-9]{0,17})\ndigest ([0-9a-f]{64})\n"
    r"nonce ([A-Za-z0-9_-]{16,64})\nissued ([1-9][0-9]{0,17})\n"
)


@dataclass(frozen=True, slots=True)
class BundleHead:
    """Which bundle is in force for a sidecar."""

    sidecar: str
    #: From 1; a bundle with other content has a higher one.
    serial: int
    #: SHA-256 of the bundle's text, in hexadecimal.
    digest: str
    nonce: str
    #: Microseconds since 1970-01-01 UTC, by the control plane's clock.
    issued_at_us: int

    def text(self) -> str:
        """What is signed."""
        return (
            f"remit-bundle/1\nsidecar {self.sidecar}\nserial {self.serial}\ndigest {self.digest}\n"
            f"nonce {self.nonce}\nissued {self.issued_at_us}\n"
        )


def sign_head(head: BundleHead, signer: Signer) -> str:
    """The head as a signed note."""
    assert _TEXT.fullmatch(head.text()), "a head that nobody could read"
    return signer.sign(head.text())


def digest_of(body: str) -> str:
    """The name of a bundle's content."""
    return sha256(body.encode()).hexdigest()


def check_bundle(
    note: str, body: str | None, *, key: PublicKey, sidecar: str, nonce: str, known: BundleHead | None
) -> BundleHead:
    """The head, where this bundle or confirmation may be taken.

    Args:
        note: the signed head.
        body: the bundle's text; None where the head confirms the one that is known.
        key: the control plane's key, as it was pinned at enrolment.
        sidecar: who asked.
        nonce: what was asked with.
        known: the newest head that was taken.

    Raises:
        BundleRefused: not signed by that key, for another, not an answer to this question, older, or changed.
    """
    try:
        found = _TEXT.fullmatch(open_note(note, key))
    except InvalidInput as wrong:
        raise BundleRefused(
            "Its head is not signed by the key that was pinned at enrolment.", rule="signature"
        ) from wrong
    if found is None:
        raise BundleRefused("Its head cannot be read.", rule="signature")
    head = BundleHead(found[1], int(found[2]), found[3], found[4], int(found[5]))
    if head.sidecar != sidecar:
        raise BundleRefused("It is for another sidecar.", rule="another_sidecar")
    if head.nonce != nonce:
        raise BundleRefused("It answers another question: it may have been heard before.", rule="nonce")
    if known is not None and head.serial < known.serial:
        raise BundleRefused(f"Its serial is {head.serial}, and {known.serial} is in force.", rule="rolled_back")
    if known is not None and head.serial == known.serial and head.digest != known.digest:
        raise BundleRefused(f"It has the serial {head.serial} of another content.", rule="rolled_back")
    if body is None and (known is None or head.digest != known.digest):
        raise BundleRefused("It came without its content.", rule="content")
    if body is not None and digest_of(body) != head.digest:
        raise BundleRefused("Its content is not the one that was signed.", rule="content")
    return head
