"""Triggers of one home: events that come in, and what became of them. `Watch` reads the streams of others."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.live import LiveEvents
from remit.control_plane.seen import require_seen
from remit.errors import EventNotAuthentic, EventTooLarge, NobodyWaits, NotFound, RightsExceeded
from remit.identity import Principal, Right, require, rights_of
from remit.ids import MissionId
from remit.missions import DUPLICATE, OutsideEvent, occur
from remit.registry import Trigger
from remit.triggers import (
    EVENT_TABLE,
    PLACE_TABLE,
    Fate,
    Forged,
    Health,
    Incoming,
    Intake,
    Pace,
    Told,
    read_body,
    verify,
)

_LISTED_MAX = 1000
#: Headers that a condition may look at; others may hold secrets.
_HEADERS_KEPT = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")
_HEADERS_KEPT_PREFIX = "x-"


@dataclass(slots=True)
class _Working:
    """What this process knows of the triggers besides the record."""

    pace: Pace = field(default_factory=Pace)
    #: By trigger and fate, since the process began; of requests that are not authentic, by trigger and reason.
    fates: Counter[tuple[str, str]] = field(default_factory=Counter)
    forged: Counter[tuple[str, str]] = field(default_factory=Counter)
    health: dict[str, Health] = field(default_factory=dict)
    intake: Intake | None = None


@dataclass(frozen=True, slots=True)
class Triggers:
    """Triggers of one home."""

    core: Core
    _working: _Working = field(default_factory=_Working)

    # --- events that come in

    async def take(self, trigger: Trigger, incoming: Incoming) -> Told:
        """Let an event have its effect, unless it had it before.

        Raises:
            Fault: nothing is known to be written; bring it again.
        """
        told = await self.intake.take(trigger, incoming)
        self.count(trigger, told)
        return told

    async def hook(self, path: str, headers: Mapping[str, str], body: bytes) -> Told:
        """Take a request of others at `/hooks/PATH`; `headers` has names in small letters.

        Raises:
            EventNotAuthentic: there is no such trigger, or the signature is not as it should be; which is not told.
            EventTooLarge, RateLimited, InvalidEvent: it is signed, and not taken.
            Fault: as `take`.
        """
        trigger = self._at(path)
        if trigger is None or trigger.webhook is None:
            self._working.forged["", "unknown"] += 1
            raise EventNotAuthentic
        webhook = trigger.webhook
        if len(body) > webhook.bytes_max:
            raise EventTooLarge(f"It has more than {webhook.bytes_max} bytes.")
        assert self.core.secret is not None, "bootstrap gives the way to secrets"
        secrets = [await self.core.secret(ref) for ref in webhook.secrets]
        now = self.core.clock.now()
        try:
            name = verify(webhook, secrets, headers, body, now=now.timestamp())
        except Forged as forged:
            self._working.forged[trigger.name, forged.why] += 1
            raise EventNotAuthentic from None
        others, rate = self.core.door.admission.others, f"trigger {trigger.name}"
        if others is not None:
            await others.use([rate])
        among = others.sharing(rate) if others is not None else 1
        self._working.pace.check(trigger.name, webhook.per_second, now.timestamp(), among=among)
        return await self.take(trigger, Incoming(name, read_body(body), now.isoformat(), _kept(headers)))

    def bytes_max(self, path: str) -> int:
        """The longest body that is read at `/hooks/PATH`; of one that is not there as little as of another."""
        trigger = self._at(path)
        return trigger.webhook.bytes_max if trigger and trigger.webhook else 262_144

    async def send(self, name: str, event: str, body: Any, by: Principal) -> Told:
        """Take an event that a person of this home sends.

        Raises:
            NotFound: there is no such trigger, it is not active, or its events do not come from people.
            RightsExceeded: this person may not send its events.
        """
        trigger = self.core.door.controls.registry.triggers.get(name)
        if trigger is None or trigger.api is None or not trigger.active:
            raise NotFound(f"There is no active trigger {name!r} with `on: api`.", hint="`remit triggers` lists all.")
        require(by, Right.SUBMIT)
        of_submit = trigger.submit.principal if trigger.submit else ""
        if by.id not in {*trigger.api, of_submit} and Right.APPLY not in rights_of(by):
            raise RightsExceeded(
                f"{by.id} may not send events of {name}.",
                hint=f"Have {by.id} written into `principals` below `on: api` of the trigger.",
                rule="trigger_principal",
            )
        return await self.take(trigger, Incoming(event, body, self.core.clock.now().isoformat(), {}))

    async def tell(self, mission: str, name: str, event: str, body: Any, by: Principal) -> Told:
        """Take an event of this name that a person sends to a mission of theirs; its values are their own words.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it or may not submit any.
            NobodyWaits: the mission waits for no such event.
            InvalidInput: name or id cannot be read.
        """
        require(by, Right.SUBMIT)
        await require_seen(self.core, mission, by)
        core = self.core
        told = OutsideEvent(event, name, by.actor, body, MissionId(mission), {"body": body}, trusted=True)
        occurred = await occur(core.door, core.store, core.clock, told)
        if not occurred.taken and occurred.reason != DUPLICATE:
            raise NobodyWaits(f"{occurred.reason[:1].upper()}{occurred.reason[1:]}.")
        return Told(Fate.TAKEN if occurred.taken else Fate.DUPLICATE, occurred.missions)

    # --- what is seen

    async def all(self) -> list[dict[str, Any]]:
        """Every trigger: how its events come, what follows, and how it goes."""
        return [self._shown(trigger) for trigger in self.core.door.controls.registry.triggers.values()]

    async def show(self, name: str) -> dict[str, Any]:
        """One trigger with all that it reads.

        Raises:
            NotFound: there is none of this name.
        """
        trigger = self._named(name)
        stream, schedule = trigger.stream, trigger.schedule
        return {
            **self._shown(trigger),
            "when": trigger.when,
            "id": trigger.id,
            "verified": list(trigger.verified),
            "confidentiality": trigger.confidentiality.value,
            "inputs": dict(trigger.submit.inputs) if trigger.submit else {},
            "stream": {"url": stream.url, "stream": stream.stream, "reader": stream.reader} if stream else None,
            "schedule": {"cron": schedule.cron, "time_zone": schedule.time_zone} if schedule else None,
        }

    async def subscriptions(self) -> list[dict[str, Any]]:
        """Every subscription: what it tells whom, how far it is, and how it goes."""
        core = self.core
        newest, shown = await LiveEvents(core).newest(), []
        for one in core.door.controls.registry.subscriptions.values():
            kept = await core.store.record(PLACE_TABLE, one.name)
            health = self._working.health.get(f"subscription/{one.name}") or Health(state="not told by this process")
            shown.append(
                {
                    "name": one.name,
                    "active": one.active,
                    "events": list(one.events),
                    "workflows": list(one.workflows),
                    "to": one.to.technology,
                    "url": one.to.url,
                    "place": kept["place"] if kept else newest,
                    "behind": newest - kept["place"] if kept else 0,
                    "told": health.read,
                    "connection": _connection(health),
                }
            )
        return shown

    async def events(self, name: str, by: Principal, *, limit: int = 100) -> list[dict[str, Any]]:
        """What became of a trigger's events of late, the newest first.

        Raises:
            NotFound: there is no such trigger.
            RightsExceeded: this person may neither apply resources nor read the ledger.
        """
        self._named(name)
        if not {Right.APPLY, Right.READ_LEDGER} & rights_of(by):
            require(by, Right.READ_LEDGER)
        rows = [row for _, row in await self.core.store.records(EVENT_TABLE, f"{name}/")]
        rows.sort(key=lambda row: -row["at_us"])
        return [
            {
                "id": row["id"],
                "fate": row["fate"],
                "at": iso(row["at_us"]),
                "missions": row["missions"],
                "code": row["code"],
                "rule": row["rule"],
                "reason": row["reason"],
                "tries": row["tries"],
                "duplicates": row["duplicates"],
                "listed_until": iso(row["until_us"]),
            }
            for row in rows[: min(limit, _LISTED_MAX)]
        ]

    @property
    def fates(self) -> Mapping[tuple[str, str], int]:
        """How many events had each fate since this process began, by trigger and fate."""
        return self._working.fates

    @property
    def forged(self) -> Mapping[tuple[str, str], int]:
        """How many requests were not authentic since this process began, by trigger and reason."""
        return self._working.forged

    @property
    def health(self) -> dict[str, Health]:
        """How the connections to others are, by `trigger/NAME` and `subscription/NAME`."""
        return self._working.health

    # --- for whoever reads streams

    @property
    def intake(self) -> Intake:
        """Takes the events; each process has one."""
        core, working = self.core, self._working
        if working.intake is None:
            working.intake = Intake(core.door, core.store, core.clock, core.ids, core.reader)
        return working.intake

    def count(self, trigger: Trigger, told: Told) -> None:
        """One more event of this fate."""
        self._working.fates[trigger.name, told.fate.value] += 1

    # --- inside

    def _named(self, name: str) -> Trigger:
        trigger = self.core.door.controls.registry.triggers.get(name)
        if trigger is None:
            raise NotFound(f"There is no trigger {name!r}.", hint="`remit triggers` lists all.")
        return trigger

    def _at(self, path: str) -> Trigger | None:
        """The active trigger whose requests come to `/hooks/PATH`."""
        for trigger in self.core.door.controls.registry.triggers.values():
            if trigger.webhook is not None and trigger.active and trigger.webhook.path == path:
                return trigger
        return None

    def _shown(self, trigger: Trigger) -> dict[str, Any]:
        health = self._working.health.get(trigger.source)
        stream = None
        if trigger.stream is not None:
            health = health or Health(state="not read by this process")
            stream = _connection(health)
        return {
            "name": trigger.name,
            "active": trigger.active,
            "on": trigger.comes_by,
            "path": f"/hooks/{trigger.webhook.path}" if trigger.webhook else "",
            "submit": trigger.submit.workflow if trigger.submit else "",
            "deliver": trigger.deliver.event if trigger.deliver else "",
            "principal": trigger.submit.principal if trigger.submit else "",
            "connection": stream,
            "fates": {
                fate: count for (name, fate), count in sorted(self._working.fates.items()) if name == trigger.name
            },
            "forged": sum(count for (name, _), count in self._working.forged.items() if name == trigger.name),
        }


def _connection(health: Health) -> dict[str, str]:
    return {"state": health.state, "since": health.since, "code": health.code, "reason": health.reason}


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in headers.items() if name in _HEADERS_KEPT or name.startswith(_HEADERS_KEPT_PREFIX)
    }
