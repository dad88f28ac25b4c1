"""Names that are handed out and must not be guessed."""

import secrets


def unguessable() -> str:
    """A new name of 192 random bits."""
    return secrets.token_urlsafe(24)
