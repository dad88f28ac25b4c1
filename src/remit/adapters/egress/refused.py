"""That a source did not take its credential: which one, and how it is renewed. Its value is in no word of this."""

from remit.adapters.egress.identity import ClientIdentity
from remit.errors import CredentialRefused

#: How a token that is exchanged for a person is named; it stands nowhere.
EXCHANGED = "exchange"


def certificate_refused(error: Exception, host: str, identity: ClientIdentity | None) -> CredentialRefused | None:
    """The error where a connection broke off over the certificate of whoever asks; None where it was something else.

    The source says so in an alert of TLS (RFC 8446, section 6.2), before it looks at any request.
    """
    words = str(error).lower()
    if "alert" not in words or not any(one in words for one in ("certificate", "unknown ca", "unknown_ca")):
        return None
    if identity is None:
        return CredentialRefused(
            f"{host} wants a client certificate, and the source names none.",
            hint="Name its files: `credential: {certificate: {file: ..., key: ...}}`.",
            rule="client_certificate",
        )
    shown = identity.shown
    because = "it has expired" if "expired" in words else "it is not trusted there, was revoked, or has expired"
    return CredentialRefused(
        f"{host} did not take the client certificate {shown}: {because}.",
        hint=f"Renew {shown} and its key with the authority that the source trusts; the next call reads them again.",
        rule="client_certificate",
    )


def credential_refused(told: str, ref: str, *, rule: str = "") -> CredentialRefused:
    """The error for an answer that refuses a credential.

    Args:
        told: what was answered, in a sentence.
        ref: where the credential stands, as the source names it; empty where it names none.
        rule: the rule that spoke.
    """
    if not ref:
        told = f"{told} The source names no credential."
        hint = "Name the one that it wants: `credential: {ref: ...}`, or `--credential` of `remit sources add`."
    elif ref == EXCHANGED:
        told = f"{told} It did not take the token that was exchanged for this person."
        hint = "Check audience, scope and sign-in at the authorization server; the next call exchanges anew."
    else:
        told = f"{told} It did not take the credential {ref}: it has expired, was revoked, or lacks the right."
        hint = f"Renew the secret that stands at {ref}; the next call reads it again."
    return CredentialRefused(told, hint=hint, rule=rule)
