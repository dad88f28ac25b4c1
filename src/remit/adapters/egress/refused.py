"""That a source did not take its credential: which one, and how it is renewed. Its value is in no word of this."""

from remit.errors import CredentialRefused

#: How a token that is exchanged for a person is named; it stands nowhere.
EXCHANGED = "exchange"


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
