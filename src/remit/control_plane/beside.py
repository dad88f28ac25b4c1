"""A sidecar's own plane: what was pushed is applied, and no call goes by a policy that is too old."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from remit.control_plane.core import Core
from remit.control_plane.pushed import apply_bundle
from remit.errors import BundleRefused, RecordBehind, RemitError, SidecarUnknown, StoreCorrupted
from remit.gateway import micros_of
from remit.ids import StreamId
from remit.ledger import Commit, Draft, PutRecord
from remit.ledger.seal import PublicKey
from remit.sidecars import TABLE, BundleHead, Freshness, Link, Moment, Pushed, Steady, check_bundle

_LOG = logging.getLogger("remit.sidecar")
#: How much of the age may pass while a question waits at the control plane: several are asked within it.
_WAIT_PART, _WAIT_SECONDS_MAX = 4, 20.0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a sidecar was told at its enrolment."""

    id: str
    name: str
    token: str
    #: The key that signs its bundles.
    key: PublicKey


@dataclass(slots=True)
class Beside:
    """What one sidecar goes by."""

    core: Core
    link: Link
    steady: Steady
    enrolment: Enrolment
    freshness: Freshness
    #: Makes what a question is asked with.
    nonce: Callable[[], str]
    #: How many entries may wait to be sent on; and how many do, once that is known.
    record_max: int
    waiting: Callable[[], int]
    known: BundleHead | None = None
    #: The bundle that is in force.
    bundle: dict[str, Any] = field(default_factory=dict)
    #: The control plane does not take this home's record: why. Nothing goes on from here.
    forked: str = ""

    def check_open(self) -> None:
        """Return where a call may go ahead by what is known here.

        Raises:
            PolicyStale: the policy was not confirmed for too long.
            RecordBehind: the record cannot be sent on.
        """
        if self.forked:
            raise RecordBehind(f"The control plane does not take it: {self.forked}", rule="record_refused")
        if (waiting := self.waiting()) >= self.record_max:
            raise RecordBehind(f"{waiting} entries wait to be sent, and the limit is {self.record_max}.")
        self.freshness.check(self.now())

    def unheard(self, silent: RemitError) -> None:
        """The control plane did not answer."""
        self.freshness.trouble = f"The control plane is not heard: {silent.detail}"

    def now(self) -> Moment:
        """This instant by both clocks."""
        return Moment(micros_of(self.core.clock.now()), self.steady.monotonic())

    async def restore(self) -> None:
        """Go on from what was pushed before this process began; its signature is checked again.

        Raises:
            BundleRefused: this home is another sidecar's, or was enrolled under another key.
            StoreCorrupted: what is stored is not what was signed.
        """
        store, own = self.core.store, {"id": self.enrolment.id, "vkey": self.enrolment.key.vkey}
        pinned = await store.record(TABLE, "enrolment")
        if pinned is None:
            await store.commit(Commit((), (PutRecord(TABLE, "enrolment", own),)))
        elif pinned != own:
            raise BundleRefused(
                f"The home is that of {pinned['id']}, with a key of its own.",
                hint="Name another, empty folder with --home.",
                rule="another_sidecar",
            )
        kept = await store.record(TABLE, "bundle")
        if kept is None:
            return
        try:
            head = check_bundle(
                kept["head"], kept["body"], key=self.enrolment.key, sidecar=self.enrolment.id, nonce=kept["nonce"],
                known=None,
            )  # fmt: skip
        except BundleRefused as changed:
            raise StoreCorrupted("The bundle in the home is not the one that was signed.") from changed
        self.bundle = await apply_bundle(self.core, head, kept["body"])
        self.known = head
        self.freshness.asked = Moment(kept["asked_at_us"], None)

    async def ask(self, *, wait: bool = True) -> bool:
        """Ask once what is in force and take it; True where that is confirmed now.

        Raises:
            ControlUnreachable: there was no answer.
        """
        asked, nonce = self.now(), self.nonce()
        seconds = min(_WAIT_SECONDS_MAX, self.freshness.limit_seconds / _WAIT_PART) if wait and self.known else 0.0
        have = self.known.digest if self.known else ""
        try:
            pushed = await self.link.bundle(have=have, nonce=nonce, wait_seconds=seconds)
            head = check_bundle(
                pushed.head, pushed.body, key=self.enrolment.key, sidecar=self.enrolment.id, nonce=nonce,
                known=self.known,
            )  # fmt: skip
            await self._take(head, pushed, nonce, asked)
        except SidecarUnknown:
            self.freshness.withdrawn = True
            return False
        except BundleRefused as no:
            await self._refused(no)
            return False
        self.freshness.confirmed(asked)
        return True

    async def _take(self, head: BundleHead, pushed: Pushed, nonce: str, asked: Moment) -> None:
        """Put in force what came, or that it still is; a restart goes on from here."""
        if pushed.body is not None:
            told = {"head": pushed.head, "body": pushed.body, "nonce": nonce, "asked_at_us": asked.at_us}
            self.bundle = await apply_bundle(self.core, head, pushed.body, PutRecord(TABLE, "bundle", told))
            self.known = head
        else:
            told = {**(await self.core.store.record(TABLE, "bundle") or {}), "asked_at_us": asked.at_us}
            await self.core.store.commit(Commit((), (PutRecord(TABLE, "bundle", told),)))

    async def _refused(self, no: BundleRefused) -> None:
        """Put on record, once for each reason in a row, that something else was pushed."""
        if self.freshness.trouble == no.detail:
            return
        self.freshness.trouble = no.detail
        _LOG.error("bundle refused: %s (%s)", no.detail, no.rule)
        serial = self.known.serial if self.known else 0
        core = self.core
        draft = Draft(
            StreamId(f"tenant/{core.door.tenant}"), "bundle.refused", {"rule": no.rule, "serial": serial}, "remit",
            core.now_us,
        )  # fmt: skip
        await core.store.commit(Commit((draft,)))


def read_enrolment(text: str) -> Enrolment:
    """The token file that `remit sidecars enrol` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is none.
        InvalidInput: its key is none.
    """
    told = orjson.loads(text)
    return Enrolment(str(told["id"]), str(told["name"]), str(told["token"]), PublicKey.parse(told["vkey"]))
