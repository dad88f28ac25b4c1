"""Bodies: stored once, encrypted under the mission's own key, handed on as pointers.

What an agent read or wrote never stands in the ledger itself; entries name it by a keyed hash. Destroying a mission's
key makes its bodies unreadable and leaves the record verifiable.
"""

from remit.state.keys import KeyRing
from remit.state.vault import Pointer, Vault

__all__ = ["KeyRing", "Pointer", "Vault"]
