"""Why a database could not be connected to, in words of our own: a driver's may hold the account and the password."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import URL

from remit.errors import CredentialRefused, ToolUnavailable
from remit.registry.file_at import FILE_HINT

#: Codes of MySQL: for the account, for its database, for the host that it comes from.
_MYSQL_REFUSED = frozenset({1044, 1045, 1130, 1251, 1698})
_MYSQL_NO_DATABASE = 1049
#: Words of the drivers, in small letters, and what they come to.
_REFUSED = (
    "password authentication failed",
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    'role "',
    "is not permitted to log in",
)
_NOT_FOUND = (
    "could not translate host name",
    "failed to resolve",
    "name or service not known",
    "nodename nor servname",
    "temporary failure in name resolution",
    "getaddrinfo",
)
_NOBODY = ("connection refused", "no such file or directory", "errno 111")
_SLOW = ("timeout", "timed out")


def unreached(error: Exception, url: URL, *, shown: bool, credential: str) -> ToolUnavailable:
    """What a failed connection means.

    Args:
        error: the driver's.
        url: what was connected to.
        shown: the address stands in the source's file; else it is the secret.
        credential: what the source names as the place of its password; empty where it names none.
    """
    place = _place(url) if shown else "the address that the credential holds"
    original: Any = getattr(error, "orig", error)
    words = str(original).lower()
    code = original.args[0] if getattr(original, "args", ()) and isinstance(original.args[0], int) else 0
    if url.get_backend_name() == "sqlite":
        return _no_file(url, words)
    if code == _MYSQL_NO_DATABASE or ("database" in words and "does not exist" in words):
        name = f" {url.database!r}" if shown else " of that name"
        told = f"The server at {place} has no database{name}."
        return ToolUnavailable(told, hint="Correct the name at the end of the address.", rule="not_sent")
    if code in _MYSQL_REFUSED or _says(words, _REFUSED):
        return _refused(place, credential)
    if _says(words, _NOT_FOUND):
        told, hint = f"The host's name leads nowhere: {place}.", "Correct the host in the address."
    elif _says(words, _NOBODY):
        told, hint = f"Nothing answers at {place}.", "Start the database's server, or correct host and port."
    elif _says(words, _SLOW):
        told, hint = f"{place} did not answer in time.", "Check host and port, and what stands between: a firewall."
    elif isinstance(error, exc.TimeoutError):
        told, hint = "Every connection of this source is in use.", "Come again, or lower `limits: {concurrent}`."
    else:
        told = f"The database at {place} cannot be reached ({type(original).__name__})."
        hint = "Check the address, and the log of the database's server."
    return ToolUnavailable(told, hint=hint, rule="not_sent")


def _refused(place: str, credential: str) -> CredentialRefused:
    if credential:
        return CredentialRefused(
            f"The database at {place} did not take the account with the credential {credential}.",
            hint=f"Renew the secret that stands at {credential}, or correct the account; the next call reads it again.",
            rule="not_sent",
        )
    return CredentialRefused(
        f"The database at {place} did not take the account, and the source names no password.",
        hint="Name one with `credential: {ref: ...}`, or correct the account in the address.",
        rule="not_sent",
    )


def _no_file(url: URL, words: str) -> ToolUnavailable:
    path = Path(str(url.database))
    if not path.exists():
        told, hint = f"There is no file {path}.", FILE_HINT
    elif "not a database" in words:
        told, hint = f"{path} is no SQLite database.", "Name the database's file, and no other."
    else:
        told, hint = f"The file {path} cannot be opened.", "Let the account that runs Remit read it, and its folder."
    return ToolUnavailable(told, hint=hint, rule="not_sent")


def _place(url: URL) -> str:
    host = url.host or "its local socket"
    return f"{host}:{url.port}" if url.port else host


def _says(words: str, any_of: Sequence[str]) -> bool:
    return any(one in words for one in any_of)
