"""Folded missions, kept so that whoever picks a long one up need not fold it from its first entry.

A fold is disposable: it is a copy of what follows from the ledger, and the ledger alone is the truth. It names the
code that made it and the entry that it was folded to; where either is another by now, or the fold does not open, it is
passed over and the mission is folded from the start.
"""

import io
import pickle
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from immutables import Map

import remit
from remit.errors import NotFound, StoreCorrupted
from remit.gateway import CallLog
from remit.ids import MissionId, StepId, StreamId
from remit.ledger import Commit, Journal, PutRecord
from remit.missions.state import MissionState
from remit.state import Vault

#: Table of the store: by mission, its newest fold.
TABLE = "fold"
#: A mission with fewer entries is folded from the start within some 50 ms; keeping its folds would cost each step more.
ENTRIES_MIN = 1024
#: Where the classes stand whose instances a fold may hold, besides plain collections.
_HOUSE = ("remit.missions.", "remit.gateway.", "remit.planning.", "remit.tools", "remit.quantities")
_PLAIN: Mapping[tuple[str, str], type] = {
    (kind.__module__, kind.__qualname__): kind for kind in (dict, list, set, frozenset, Counter, defaultdict, Map)
}
#: Folders whose code decides what a fold holds and what it means.
_CODE = ("missions", "gateway", "planning")


@dataclass(frozen=True, slots=True)
class Fold:
    """A mission as it was folded to an entry of its stream, and to a place of the record for its calls."""

    state: MissionState
    log: CallLog
    #: As `ActiveMission.answering`.
    answering: dict[tuple[StepId, str], StepId]
    head: str
    taught: int
    #: Calls whose entries stand up to here in the tenant's record are all in `log`.
    calls_upto: int


async def keep(fold: Fold, mission: MissionId, journal: Journal, vault: Vault) -> None:
    """Keep the fold in place of the one before."""
    data = pickle.dumps(
        (fold.state, fold.log, fold.answering, fold.taught, fold.calls_upto), protocol=pickle.HIGHEST_PROTOCOL
    )
    kept = {
        "code": _code(),
        "version": fold.state.version,
        "head": fold.head,
        "data": vault.seal_bytes(mission, _name(_code(), fold.state.version, fold.head), data),
    }
    await journal.commit(Commit((), (PutRecord(TABLE, mission, kept),)))


async def recall(mission: MissionId, stream: StreamId, journal: Journal, vault: Vault) -> Fold | None:
    """The mission's fold; None where there is none that this code may use."""
    kept = await vault.records.record(TABLE, mission)
    if kept is None or kept["code"] != _code():
        return None
    version, head = kept["version"], kept["head"]
    entries = await journal.read(stream, after=version - 1, limit=1)
    if not entries or entries[0].hash != head:
        return None  # of another record than this one
    try:
        await vault.load_space(mission)
        data = vault.unseal_bytes(mission, _name(kept["code"], version, head), kept["data"])
    except (NotFound, StoreCorrupted):
        return None
    # Only whoever holds the home's key can have sealed it, and only the house's own plain classes are made of it.
    state, log, answering, taught, calls_upto = _Opener(io.BytesIO(data)).load()
    return Fold(state, log, answering, head, taught, calls_upto)


class _Opener(pickle.Unpickler):
    """Makes instances of the house's own classes and of plain collections, and of nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        plain = _PLAIN.get((module, name))
        if plain is not None:
            return plain
        found = super().find_class(module, name) if f"{module}.".startswith(_HOUSE) else None
        if not isinstance(found, type) or not found.__module__.startswith("remit."):
            raise StoreCorrupted(f"A fold names {module}.{name}, which no fold holds.")
        return found


def _name(code: str, version: int, head: str) -> str:
    return f"fold/{code}/{version}/{head}"


@lru_cache(maxsize=1)
def _code() -> str:
    """A digest of the code that folds: with any change of it, what was folded before may be something else."""
    house = Path(remit.__file__).parent
    digest = sha256(remit.__version__.encode())
    for path in sorted([*(path for folder in _CODE for path in (house / folder).glob("*.py")), house / "tools.py"]):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:32]
