"""Bodies, working state and memory: stored once, encrypted, handed on as pointers.

What an agent read or wrote never stands in the ledger itself; entries name it by a keyed hash. Destroying a mission's
key makes its bodies unreadable and leaves the record verifiable. An agent's working state is a chain of snapshots of
such bodies, of which only what changed is written.
"""

from remit.state.keys import KeyRing
from remit.state.memory import Memory, Note, NoteWriter, Scope, Standing
from remit.state.pointing import LIFE_SECONDS_MAX, StatePointer, check_tiers
from remit.state.snapshot import GOAL_BYTES_MAX, Binding, Change, Manifest, Owner
from remit.state.snapshots import Prepared, Restored, Snapshot, Snapshots, Writer
from remit.state.vault import Pointer, Vault

__all__ = [
    "GOAL_BYTES_MAX",
    "LIFE_SECONDS_MAX",
    "Binding",
    "Change",
    "KeyRing",
    "Manifest",
    "Memory",
    "Note",
    "NoteWriter",
    "Owner",
    "Pointer",
    "Prepared",
    "Restored",
    "Scope",
    "Snapshot",
    "Snapshots",
    "Standing",
    "StatePointer",
    "Vault",
    "Writer",
    "check_tiers",
]
