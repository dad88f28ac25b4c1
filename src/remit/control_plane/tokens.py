"""Agents' tokens: issued to an agent on behalf of a person, rotated, revoked, listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from remit.budgets import token_balance
from remit.control_plane.core import Core, iso
from remit.control_plane.resources import Resources
from remit.control_plane.token_view import KEYS, REVOKED, TOKENS, require_active, require_agent
from remit.errors import FactExists, Halted, InvalidInput, MissionEnded, NotFound, RightsExceeded, StoreUnreachable
from remit.identity import (
    SECONDS_DEFAULT,
    SECONDS_MAX,
    SECONDS_MIN,
    AgentIdentity,
    Granted,
    IssuingKey,
    LinkKind,
    Principal,
    Right,
    Wish,
    check_now,
    issue,
    narrow,
    require,
    rights_of,
    within_grant,
)
from remit.identity.revocation import SCOPE
from remit.ids import StreamId
from remit.ledger import Commit, Draft, OpenBalance, PutRecord, Write
from remit.registry import AgentVersion

#: How long after its last token a key is kept, for a process that has not yet heard of the next one.
_GRACE_US = 5_000_000
_LIFE_MAX_US = SECONDS_MAX * 1_000_000
_PRUNE_EVERY_US = 60_000_000
_PATTERNS_MAX = 64
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class Tokens:
    """Tokens of one home. What is revoked here is refused at once, and within a second by every other process."""

    core: Core
    _pruned_us: int = field(default=0)

    async def issue(self, agent: str, principal: str, by: Principal, wish: Wish | None = None) -> dict[str, Any]:
        """Issue a token: the agent may act for this person, within what both are granted.

        Args:
            agent: `NAME` or `NAME@VERSION`.
            principal: the person on whose behalf.
            by: who asks; for another person than themself they need the right.
            wish: less than all that may be given; a mission of that person; the key that will sign; seconds to live.

        Raises:
            RightsExceeded: not this person's to ask, or a person or agent is not active.
            DelegationWidened: more is wished than the agent is granted.
            NotFound, MissionEnded, Halted: agent or mission are not there, have ended, or stand still.
            InvalidInput: the life is not from 5 to 15 minutes, or the wish is too long.
        """
        wish = wish or Wish()
        registry = self.core.door.controls.registry
        if by.id != principal:
            require(by, Right.TOKENS)
        person = registry.principal(principal)
        require(person, Right.SUBMIT)
        version = registry.agent(agent)
        await self._check_mission(wish.mission, person)
        skills, tools = within_grant(wish, self._granted(version, wish))
        now_us = self.core.now_us
        mission = (f"{LinkKind.MISSION}:{wish.mission}",) if wish.mission else ()
        identity = AgentIdentity(
            token=self.core.ids.new("tok"),
            agent=version.ref,
            principal=person.id,
            mission=wish.mission,
            chain=(person.actor, *mission, version.actor),
            skills=skills,
            tools=tools,
            budget_usd_micros=wish.budget_usd_micros,
            audience=self.core.authenticator.audience,
            issued_at_us=now_us,
            expires_at_us=(now_us // 1_000_000 + _seconds(wish)) * 1_000_000,
            key="",
            epoch=0,
            confirmed=wish.confirmed,
        )
        return await self._sign(identity, by.actor)

    async def delegate(self, parent: AgentIdentity, agent: str, wish: Wish | None = None) -> dict[str, Any]:
        """Issue a token to another agent for a part of what `parent` may do; it dies with the one it comes from.

        Raises:
            DelegationWidened: more is wished than `parent` has or the agent is granted.
            NotAuthentic, RightsExceeded: `parent` does not hold any more, or the agent is not active.
            NotFound, Halted: there is no such agent, or it stands still.
        """
        wish = wish or Wish()
        core = self.core
        check_now(parent, core.authenticator.view.revocations, core.now_us)
        require_active(core.door.controls.registry, parent)
        version = core.door.controls.registry.agent(agent)
        granted = self._granted(version, replace(wish, mission=parent.mission))
        narrowed = narrow(parent, granted, wish, token=core.ids.new("tok"), now_us=core.now_us)
        # All that is narrowed from one token shares what it may spend: its balance is there before any of them is.
        shared = [] if parent.budget_usd_micros is None else [_balance_of(parent.token, parent.budget_usd_micros)]
        return await self._sign(narrowed, parent.actor, shared)

    async def revoke(self, scope: str, by: Principal, reason: str = "") -> dict[str, Any]:
        """Refuse from now on: `token/ID`, all tokens so far of `agent/NAME[@VERSION]` or `principal/ID`, or `key/ID`.

        Raises:
            InvalidInput: not a scope.
            NotFound: there is no such thing; a token that has expired is none.
            RightsExceeded: neither this person's own tokens, nor may they halt.
        """
        if not SCOPE.fullmatch(scope):
            raise InvalidInput(f"{scope!r} is no scope: token/ID, agent/NAME[@VERSION], principal/ID or key/ID.")
        owner = await self._owner(scope)
        if owner != by.id or not by.active:
            require(by, Right.HALT)
        now_us = self.core.now_us
        told = {"at_us": now_us, "by": by.id, "reason": reason, "until_us": now_us + _LIFE_MAX_US + _GRACE_US}
        writes = [PutRecord(REVOKED, scope, told)]
        kind, _, name = scope.partition("/")
        record = await self.core.store.record(KEYS, name) if kind == "key" else None
        if record is not None:
            # It signs nothing more; the next token is signed by a new one.
            writes.append(PutRecord(KEYS, name, {**record, "until_us": record["until_us"] or told["until_us"]}))
        await self._write("token.revoked", {"scope": scope}, by.actor, writes)
        return {"scope": scope, "revoked_at": iso(now_us)}

    async def rotate(self, by: Principal) -> dict[str, Any]:
        """Sign with a new key from now on; the one before verifies until the last token it signed has expired.

        Raises:
            RightsExceeded: this person may not.
        """
        require(by, Right.TOKENS)
        while True:
            try:
                key = await self._new_key(by.actor)
            except FactExists:  # another process rotated meanwhile: what was asked for is the key after that
                await Resources(self.core).reload()
            else:
                return {"key": key.kid, "epoch": key.epoch}

    async def all(self, by: Principal) -> list[dict[str, Any]]:
        """Tokens that live: this person's own; all, where they may halt or read the ledger."""
        now_us, revocations = self.core.now_us, self.core.authenticator.view.revocations
        sees_all = bool({Right.HALT, Right.READ_LEDGER} & rights_of(by))
        return [
            {
                "id": name,
                "agent": told["agent"],
                "principal": told["principal"],
                "mission": told["mission"],
                "signed": bool(told["jkt"]),
                "key": told["key"],
                "parents": told["parents"],
                "issued_at": iso(told["issued_at_us"]),
                "expires_at": iso(told["expires_at_us"]),
            }
            for name, told in await self.core.store.records(TOKENS)
            if told["expires_at_us"] > now_us
            and (sees_all or (by.active and told["principal"] == by.id))
            and revocations.covering(_Listed(name, told)) is None
        ]

    async def revoked(self, by: Principal) -> list[dict[str, Any]]:
        """What was revoked and may still matter, by whom and why; where this person may halt or read the ledger."""
        if Right.HALT not in rights_of(by):
            require(by, Right.READ_LEDGER)
        return [
            {"scope": scope, "reason": told["reason"], "by": told["by"], "at": iso(told["at_us"])}
            for scope, told in await self.core.store.records(REVOKED)
        ]

    # --- inside

    def _granted(self, version: AgentVersion, wish: Wish) -> Granted:
        controls = self.core.door.controls
        require_agent(controls.registry, version.ref)
        halted = controls.halted(agent=version.ref, tool="", mission=wish.mission or "")
        if halted:
            raise Halted(f"{halted} stands still.")
        if max(len(wish.skills or ()), len(wish.tools or version.tools)) > _PATTERNS_MAX:
            raise InvalidInput(f"A token names at most {_PATTERNS_MAX} skills and {_PATTERNS_MAX} patterns of tools.")
        skills = tuple(skill.name for skill in version.skills)
        return Granted(version.ref, skills, version.tools, frozenset(controls.registry.names.skills))

    async def _check_mission(self, mission: str | None, person: Principal) -> None:
        if mission is None:
            return
        listed = await self.core.store.record("mission", mission)
        if listed is None:
            raise NotFound(f"There is no mission {mission}.")
        if listed["principal"] != person.id:
            raise RightsExceeded(
                f"The mission {mission} does not act for {person.id}.",
                hint="Name the person who submitted the mission, or no mission.",
                rule="mission_of_another",
            )
        if listed["status"] in _ENDED:
            raise MissionEnded(f"{mission} is {listed['status']}.")

    async def _sign(self, identity: AgentIdentity, actor: str, besides: Sequence[Write] = ()) -> dict[str, Any]:
        key = await self._current_key(actor)
        identity = replace(identity, key=key.kid, epoch=key.epoch)
        text = issue(identity, self.core.authenticator.issuer, key)
        confirmed = identity.confirmed.thumbprint if identity.confirmed else ""
        told = {
            "agent": identity.agent,
            "principal": identity.principal,
            "mission": identity.mission or "",
            "jkt": confirmed,
            "key": key.kid,
            "parents": list(identity.parents),
            "agents": list(identity.agents),
            "issued_at_us": identity.issued_at_us,
            "expires_at_us": identity.expires_at_us,
        }
        payload = {
            "token": identity.token,
            "subject": identity.agent,
            "chain": list(identity.chain),
            "parents": list(identity.parents),
            "expires_at_us": identity.expires_at_us,
            "key": key.kid,
            "jkt": confirmed,
        }
        await self._write("token.issued", payload, actor, [PutRecord(TOKENS, identity.token, told), *besides])
        return {
            "token": text,
            "id": identity.token,
            "agent": identity.agent,
            "principal": identity.principal,
            "mission": identity.mission or "",
            "chain": list(identity.chain),
            "skills": list(identity.skills),
            "tools": list(identity.tools),
            "budget_usd_micros": identity.budget_usd_micros,
            "signed": bool(confirmed),
            "expires_at": iso(identity.expires_at_us),
        }

    async def _current_key(self, actor: str) -> IssuingKey:
        authenticator = self.core.authenticator
        if authenticator.view.current is None:  # another process may have made one since we looked
            await Resources(self.core).reload()
        while authenticator.view.current is None:
            try:
                await self._new_key(actor)
            except FactExists:  # another process was quicker
                await Resources(self.core).reload()
        return authenticator.view.current

    async def _new_key(self, actor: str) -> IssuingKey:
        core = self.core
        before = await core.store.records(KEYS)
        now_us = core.now_us
        key = IssuingKey.generate(1 + max((told["epoch"] for _, told in before), default=0))
        core.token_keys.save(key.kid, key.secret)
        until_us = now_us + _LIFE_MAX_US + _GRACE_US
        writes = [PutRecord(KEYS, kid, {**told, "until_us": told["until_us"] or until_us}) for kid, told in before]
        writes.append(PutRecord(KEYS, key.kid, {"epoch": key.epoch, "at_us": now_us, "until_us": 0}))
        try:
            payload = {"key": key.kid, "epoch": key.epoch}
            await self._write("token.rotated", payload, actor, writes, fact=f"token-key/{key.epoch}")
        except (FactExists, StoreUnreachable):  # nothing was written: nobody will ever ask for this key
            core.token_keys.remove(key.kid)
            raise
        return key

    async def _owner(self, scope: str) -> str:
        """The person whose tokens the scope names; empty where it may be several people's.

        Raises:
            NotFound: there is no such thing.
        """
        kind, _, name = scope.partition("/")
        store, registry = self.core.store, self.core.door.controls.registry
        if kind == "token":
            told = await store.record(TOKENS, name)
            if told is None or told["expires_at_us"] <= self.core.now_us:
                raise NotFound(f"No token {name} lives.", hint="`remit token list` shows those that do.")
            return str(told["principal"])
        if kind == "principal":
            found = name in registry.principals
        elif kind == "key":
            found = await store.record(KEYS, name) is not None
        else:
            found = name in registry.versions or any(one.name == name for one in registry.versions.values())
        if not found:
            raise NotFound(f"There is no {scope}.")
        return name if kind == "principal" else ""

    async def _write(
        self,
        kind: str,
        payload: Mapping[str, Any],
        actor: str,
        writes: Sequence[Write],
        *,
        fact: str | None = None,
    ) -> None:
        core = self.core
        gone = await self._expired()
        mine = {(write.table, write.key) for write in writes if isinstance(write, PutRecord)}
        pruned = [PutRecord(table, key, None) for table, key in gone if (table, key) not in mine]
        draft = Draft(StreamId(f"tenant/{core.door.tenant}"), kind, payload, actor, core.now_us, fact=fact)
        await core.store.commit(Commit((draft,), (*writes, *pruned)))
        for write in pruned:
            if write.table == KEYS:
                core.token_keys.remove(write.key)
        if kind != "token.issued":
            await Resources(core).reload()

    async def _expired(self) -> list[tuple[str, str]]:
        """Records that no living token can need, looked for once a minute: the ledger keeps what they said."""
        now_us = self.core.now_us
        if now_us < self._pruned_us + _PRUNE_EVERY_US:
            return []
        self._pruned_us = now_us
        found = [(TOKENS, name) for name, t in await self.core.store.records(TOKENS) if t["expires_at_us"] <= now_us]
        for table in (REVOKED, KEYS):
            found += [(table, name) for name, t in await self.core.store.records(table) if 0 < t["until_us"] <= now_us]
        return found


class _Listed:
    """A token as its record has it, for the question whether it was revoked."""

    def __init__(self, name: str, told: Mapping[str, Any]) -> None:
        self.token = name
        self.parents = tuple(told["parents"])
        self.agents = tuple(told["agents"])
        self.principal = str(told["principal"])
        self.key = str(told["key"])
        self.issued_at_us = int(told["issued_at_us"])


def _balance_of(token: str, limit_usd_micros: int) -> Write:
    return OpenBalance(token_balance(token), limit_usd_micros)


def _seconds(wish: Wish) -> int:
    seconds = SECONDS_DEFAULT if wish.seconds is None else wish.seconds
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise InvalidInput(
            f"A token lives from {SECONDS_MIN // 60} to {SECONDS_MAX // 60} minutes, not {seconds} seconds.",
            hint="Ask for a new token before it ends.",
            rule="token_life",
        )
    return seconds
