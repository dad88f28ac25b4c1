"""joserfc, imported at the first token: a tenth of a second that a home without agents outside does without."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey

__all__ = ["ECKey", "JoseError", "OKPKey", "jws"]

_PLACES = {"ECKey": "joserfc.jwk", "JoseError": "joserfc.errors", "OKPKey": "joserfc.jwk"}


def __getattr__(name: str) -> Any:
    if name == "jws":
        return import_module("joserfc.jws")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(name)
