"""State pointers: a few hundred bytes that stand for a working state, in place of its history.

A pointer names one snapshot, which parts of it may be read, by which agent, and until when. It is signed by a key of
the home, so that nothing in it can be changed, and worth nothing to anybody but the agent that it names.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from remit.errors import InvalidInput, PointerForged, PointerNotYours, StalePointer
from remit.ids import MissionId, StepId
from remit.state.snapshot import Owner
from remit.state.snapshots import ALL_TOOLS, GOAL, REFLECTIONS, Snapshot

#: A pointer lives for this long at most.
LIFE_SECONDS_MAX = 15 * 60
_LEAD = "rsp1"
_TEXT_MAX = 4096
_TIERS_MAX = 16
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class StatePointer:
    """What a pointer says."""

    tenant: str
    owner: Owner
    #: The person for whom the owner works.
    principal: str
    seq: int
    snap_hash: str
    #: goal, reflections, tools, or `tool:NAME`.
    tiers: tuple[str, ...]
    #: The agent that may read, without its version.
    audience: str
    expires_at: int
    epoch: int

    def signed(self, key: bytes) -> str:
        """The pointer as text."""
        told = [
            self.tenant,
            self.owner.mission,
            self.owner.step,
            self.principal,
            self.seq,
            self.snap_hash,
            self.tiers,
            self.audience,
            self.expires_at,
            self.epoch,
        ]
        body = _text(orjson.dumps(told))
        return f"{_LEAD}.{body}.{_text(_mac(key, body))}"

    @classmethod
    def read(cls, text: str, key: bytes) -> "StatePointer":
        """The pointer that this text is.

        Raises:
            PointerForged: it was not signed by this key, or was changed since.
        """
        lead, body, mac = (*text.split("."), "", "")[:3] if len(text) <= _TEXT_MAX else ("", "", "")
        try:
            signature = _text(_mac(key, body)).encode()
        except UnicodeEncodeError as error:
            raise PointerForged("It cannot be read.") from error
        if lead != _LEAD or not hmac.compare_digest(mac.encode("utf-8", "replace"), signature):
            raise PointerForged("Its signature does not hold.")
        tenant, mission, step, principal, seq, snap_hash, tiers, audience, expires_at, epoch = orjson.loads(
            _bytes(body)
        )
        owner = Owner(MissionId(mission), StepId(step))
        return cls(tenant, owner, principal, seq, snap_hash, tuple(tiers), audience, expires_at, epoch)

    def check_reader(self, *, tenant: str, agent: str, mission: str, principal: str) -> None:
        """Return where this agent may read by it, in this mission and for this person.

        Raises:
            PointerNotYours: it was given to another, or leads out of the mission and to another person's work.
        """
        if tenant != self.tenant or agent != self.audience:
            raise PointerNotYours(f"It was not given to {agent}.", rule="pointer_audience")
        if mission != self.owner.mission and principal != self.principal:
            raise PointerNotYours("It leads into another person's mission.", rule="pointer_mission")

    def check_fresh(self, now_us: int, snapshot: Snapshot, head: Snapshot) -> None:
        """Return where it still leads to this snapshot.

        Raises:
            StalePointer: it has expired, or its owner went back to an earlier state since.
        """
        self.check_alive(now_us)
        if snapshot.hash != self.snap_hash or head.manifest.epoch != self.epoch:
            raise StalePointer("Its owner has gone back to an earlier state since.", rule="pointer_epoch")

    def check_alive(self, now_us: int) -> None:
        """Return where it has not expired.

        Raises:
            StalePointer: it has.
        """
        if now_us >= self.expires_at * _MICROS:
            raise StalePointer("It has expired.", rule="pointer_expired")


def check_tiers(tiers: Iterable[str], snapshot: Snapshot) -> tuple[str, ...]:
    """The tiers in a fixed order, each of which the snapshot has.

    Raises:
        InvalidInput: none, too many, or one that is not there.
    """
    wanted = tuple(sorted(set(tiers)))
    if not 0 < len(wanted) <= _TIERS_MAX:
        raise InvalidInput(f"Name 1 to {_TIERS_MAX} tiers: goal, reflections, tools, or tool:NAME.")
    for tier in wanted:
        lead, _, name = tier.partition(":")
        known = tier in {GOAL, REFLECTIONS, ALL_TOOLS} or (lead == "tool" and name in snapshot.manifest.tools)
        if not known:
            raise InvalidInput(f"{tier[:80]!r} is no tier of this state: goal, reflections, tools, or tool:NAME.")
    return wanted


def _mac(key: bytes, body: str) -> bytes:
    return hmac.digest(key, f"{_LEAD}.{body}".encode(), hashlib.sha256)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
