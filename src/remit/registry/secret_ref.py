"""References to secrets: `env:NAME`, `file:PATH`, `kubernetes:SECRET/KEY`, `vault:MOUNT/PATH#FIELD`."""

import re
from typing import Annotated

from pydantic import AfterValidator, StrictStr

_REFERENCES = {
    "env": re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII),
    "file": re.compile(r"[^\0\n]{1,1000}"),
    "kubernetes": re.compile(r"[a-z0-9][a-z0-9.-]{0,252}/[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"),
    "vault": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,20}#[A-Za-z0-9._-]{1,100}"),
}
_EXPECTED = {
    "env": "the name of an environment variable",
    "file": "a path, absolute or from the home",
    "kubernetes": "SECRET/KEY",
    "vault": "MOUNT/PATH#FIELD",
}


def reference(text: str) -> str:
    """The reference itself.

    Raises:
        ValueError: it is none.
    """
    store, colon, name = text.partition(":")
    if not colon:
        raise ValueError("expected a reference, such as env:NAME or file:PATH, never the secret itself")
    pattern = _REFERENCES.get(store)
    if pattern is None:
        known = ", ".join(f"{store}:" for store in _REFERENCES)
        raise ValueError(f"no store of secrets begins so in this release; {known} do")
    if not pattern.fullmatch(name) or (store in {"kubernetes", "vault"} and ".." in name):
        raise ValueError(f"after {store}: expected {_EXPECTED[store]}")
    return text


SecretReference = Annotated[StrictStr, AfterValidator(reference)]
