"""Keys of a home's own that are made once and kept: one for each thing that is signed, and for nothing else."""

from typing import TYPE_CHECKING

import orjson

from remit.errors import KeyMissing
from remit.identity import jose
from remit.identity.issuing import KeyStorage

if TYPE_CHECKING:
    from joserfc.jwk import ECKey


def kept_key(keys: KeyStorage, name: str, purpose: str) -> "ECKey":
    """The P-256 key that is kept under this name; one is made where there is none yet.

    Args:
        keys: where the home keeps its keys.
        name: of the key there.
        purpose: what it does, for the error: "signs what is handed on".

    Raises:
        KeyMissing: what is kept is no such key.
    """
    kept = keys.load(name)
    if kept is None:
        fresh = jose.ECKey.generate_key("P-256")
        try:
            keys.save(name, orjson.dumps(fresh.as_dict(private=True)))
        except FileExistsError:
            return kept_key(keys, name, purpose)  # another process of this home came first
        return fresh
    try:
        return jose.ECKey.import_key(orjson.loads(kept))
    except (jose.JoseError, ValueError) as error:
        raise KeyMissing(f"The key that {purpose} cannot be read.") from error
