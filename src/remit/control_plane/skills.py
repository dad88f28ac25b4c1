"""Skills of this home, asked for by agents outside: each becomes a mission of its own, on the asking agent's leave."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import jsonschema_rs
import orjson

from remit.budgets import CURRENCY, mission_balance, token_balance
from remit.control_plane.core import Core
from remit.control_plane.missions import Missions
from remit.errors import (
    AncestryForged,
    BudgetExhausted,
    DelegationWidened,
    Halted,
    InvalidInput,
    NotFound,
    NotGranted,
    PriceUnknown,
    Refusal,
    StreamMoved,
    UnknownSkill,
)
from remit.gateway import check_recursion, place_of
from remit.identity import AgentIdentity, Hop, HopKey, read_hops
from remit.ids import MissionId, StreamId
from remit.ledger import Commit, Draft
from remit.missions import ASKED, ActiveMission, Asked, MissionStatus, Session, StepStatus, submit_asked
from remit.registry import AgentVersion
from remit.state import Pointer

#: Agents in one chain, as tokens count them.
_CHAIN_MAX = 8
_SAME, _OTHER = "same", "other"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent outside asks of an agent here."""

    #: The agent's name, as it stands in the address.
    agent: str
    #: Empty where the agent offers one only.
    skill: str
    given: Mapping[str, Any]
    #: The asking agent's own name for it: the same once more is the same mission.
    message: str
    context: str = ""
    #: The skills above it as they were told, the outermost first.
    ancestry: tuple[str, ...] = ()
    #: What the homes on the way here have signed of that; none where nobody did.
    hops: tuple[str, ...] = ()
    #: The host at which it was asked.
    host: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a mission that an agent asked for stands."""

    mission: str
    context: str
    status: MissionStatus
    #: Entries of its stream that this was folded from.
    version: int
    #: Ids of open questions to people.
    approvals: tuple[str, ...] = ()
    output: Any = None
    #: What became of the steps that the skill proposed, by name.
    steps: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    rules: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Skills:
    """Skills of one home, for agents that come with a token."""

    core: Core

    def offered(self, agent: str) -> AgentVersion:
        """The agent's version in production, which offers skills.

        Raises:
            NotFound: there is none, or it offers none.
        """
        version = self.core.door.controls.registry.agent(agent) if "@" not in agent else None
        if version is None or not version.skills:
            raise NotFound(f"No agent {agent!r} in production offers skills.")
        return version

    async def ask(self, identity: AgentIdentity, session: Session, wanted: Wanted) -> str:
        """Begin a mission for a skill, on the leave of whoever asks, and return its name.

        Raises:
            NotFound, UnknownSkill, InvalidInput: there is no such agent or skill, or it takes other input.
            NotGranted, DelegationWidened, LoopStopped, Halted, BudgetExhausted, RightsExceeded: refused; on record.
        """
        version = self.offered(wanted.agent)
        skill = _skill(version, wanted)
        mission = _name(identity, wanted)
        if await self.core.store.record(ASKED, mission) is not None:
            return mission
        try:
            asked = await self._judged(identity, session, version, skill, mission, wanted)
        except Refusal as no:
            await self._record_refusal(identity, session, version, skill, no)
            raise
        await self._record_hops(identity, session, version, asked)
        person = self.core.door.controls.registry.principal(identity.principal)
        try:
            await submit_asked(self.core.door, self.core.clock, person, asked)
        except StreamMoved:
            return mission  # the same message came twice at once
        self.core.driver.nudge(mission)
        return mission

    async def look(self, identity: AgentIdentity, agent: str, mission: str) -> Standing:
        """Where a mission stands that this agent asked for.

        Raises:
            NotFound: it asked for no such mission; another's is not told apart from none.
        """
        asked = await self._own(identity, agent, mission)
        active = await ActiveMission.load(MissionId(mission), self.core.store, self.core.door.vault)
        state = active.state
        assert state.submitted is not None
        first = state.steps[state.submitted.steps[0].id]
        stands = [held for held in state.steps.values() if held.status is StepStatus.REFUSED]
        ended = first if first.code else stands[0] if stands else first
        done = state.status is MissionStatus.COMPLETED
        output = await self._open(active, first.output) if done and first.output else None
        waits = bool(state.approvals) and not state.ready and not state.running
        return Standing(
            mission,
            asked["context"],
            state.status,
            state.version,
            tuple(sorted(state.approvals)) if waits else (),
            output,
            await self._steps(active) if done else {},
            state.code or (ended.code if state.status.ended else ""),
            ended.rules if state.status.ended else (),
            refused=ended.status is StepStatus.REFUSED,
        )

    async def moved(self, standing: Standing) -> bool:
        """True where something was written since this was looked at."""
        stream = StreamId(f"mission/{standing.mission}")
        return bool(await self.core.store.read(stream, after=standing.version, limit=1))

    def hears(self, identity: AgentIdentity) -> bool:
        """True while what this token may see is told to whoever holds it: it lives and was not revoked."""
        now_us, revoked = self.core.now_us, self.core.authenticator.view.revocations
        return now_us < identity.expires_at_us and revoked.covering(identity) is None

    async def cancel(self, identity: AgentIdentity, agent: str, mission: str) -> None:
        """Take no new work in a mission that this agent asked for.

        Raises:
            NotFound: it asked for no such mission.
            MissionEnded: it has ended before.
        """
        await self._own(identity, agent, mission)
        person = self.core.door.controls.registry.principal(identity.principal)
        await Missions(self.core).cancel(mission, person)
        self.core.driver.nudge(MissionId(mission))

    # --- what is looked at before a mission begins

    async def _judged(
        self,
        identity: AgentIdentity,
        session: Session,
        version: AgentVersion,
        skill: str,
        mission: MissionId,
        wanted: Wanted,
    ) -> Asked:
        core = self.core
        if not identity.offers(skill):
            raise NotGranted(
                f"The token does not name the skill {skill}.",
                rule="token_skill",
                hint="Ask for a token with this skill: `remit token --skill`.",
            )
        halted = core.door.controls.halted(agent=version.ref, tool="", mission=session.mission)
        if halted:
            raise Halted(f"{halted} stands still.")
        if len(identity.agents) >= _CHAIN_MAX:
            raise DelegationWidened(f"{_CHAIN_MAX} agents stand in the chain already.", rule="delegation_depth")
        hops = await self._verified(wanted)
        check_recursion(await self._above(identity, skill, wanted), skill, _SAME)
        bounded = identity.budget_usd_micros is not None
        return Asked(
            mission=mission,
            skill=skill,
            agent=version,
            given=wanted.given,
            chain=(*identity.chain, version.actor),
            parent=session.mission,
            confidentiality=session.label.confidentiality,
            tools=identity.tools,
            budget_usd_micros=await self._limit(identity, session, version),
            token=identity.token if bounded else "",
            token_budget_usd_micros=identity.budget_usd_micros or 0,
            tokens_above=identity.bounded_parents if bounded else (),
            ancestry=wanted.ancestry,
            hops=wanted.hops,
            reader=core.reader,
            record={
                "whose": _whose(identity),
                "agent": version.name,
                "context": wanted.context or mission,
                **({"hops": [asdict(hop) for hop in hops]} if hops else {}),
            },
        )

    async def _verified(self, wanted: Wanted) -> tuple[Hop, ...]:
        """Who has signed how the work came here; what stood in this home must have been signed by this home.

        Raises:
            AncestryForged: somebody has changed it on the way.
        """
        if not wanted.hops:
            return ()
        core = self.core
        hops = read_hops(wanted.hops, wanted.ancestry, message=wanted.message, audience=wanted.host, now_us=core.now_us)
        own = HopKey.of(core.token_keys).home
        vouched = max((hop.links for hop in hops if hop.home == own), default=0)
        for link in wanted.ancestry[vouched:]:
            mission = link.partition("@")[2].partition("/")[0]
            if mission and await core.store.record("mission", mission) is not None:
                raise AncestryForged("It names a place of this home that this home did not sign.")
        return hops

    async def _above(self, identity: AgentIdentity, asked: str, wanted: Wanted) -> list[tuple[str, str]]:
        """The skills above, innermost first, each with whether it was asked for what is asked for now."""
        found = []
        for link in reversed(wanted.ancestry):
            skill, _, place = link.partition("@")
            same = skill == asked and await self._is_same(identity, place, wanted.given)
            found.append((skill, _SAME if same else _OTHER))
        return found

    async def _is_same(self, identity: AgentIdentity, place: str, given: Mapping[str, Any]) -> bool:
        """True where the step at this place of this home was given the same; other homes' steps are for them to know.

        Only missions for the same person are looked into, so that nobody can try out what others were given.
        """
        mission = MissionId(place.partition("/")[0])
        listed = await self.core.store.record("mission", mission)
        if listed is None or listed["principal"] != identity.principal:
            return False
        vault = self.core.door.vault
        active = await ActiveMission.load(mission, self.core.store, vault)
        for name, held in active.state.steps.items():
            if place_of(vault, mission, name) == place:
                return bool(await vault.open(Pointer(mission, held.step.input)) == given)
        return False

    async def _limit(self, identity: AgentIdentity, session: Session, version: AgentVersion) -> int:
        """The least of what the agent's version, the token and the asking mission leave."""
        budget = version.budget
        if budget.currency != CURRENCY:
            rates = self.core.door.controls.rates
            converted = rates.convert(budget, CURRENCY) if rates else None
            if converted is None:
                raise PriceUnknown(f"The budget of {version.ref} is in {budget.currency}, without a rate.")
            budget = converted
        limits = [budget.micros]
        tokens = map(token_balance, (identity.token, *identity.bounded_parents))
        for name in (*tokens, mission_balance(session.mission)):
            balance = await self.core.store.balance(name)
            if balance is not None:
                limits.append(balance.limit - balance.used - balance.held)
        if identity.budget_usd_micros is not None:
            limits.append(identity.budget_usd_micros)
        limit = min(limits)
        if limit < 0:
            raise BudgetExhausted("Nothing is left of what the asking agent may spend.")
        return limit

    async def _record_hops(
        self, identity: AgentIdentity, session: Session, version: AgentVersion, asked: Asked
    ) -> None:
        """Which homes have signed how the work came here; what came unsigned is told by nobody but its sender."""
        hops = asked.record.get("hops")
        if hops:
            payload = {
                "skill": asked.skill,
                "agent": version.ref,
                "mission": asked.mission,
                "parent": session.mission,
                "hops": hops,
            }
            stream = StreamId(f"tenant/{self.core.door.tenant}")
            draft = Draft(stream, "skill.handed", payload, identity.actor, self.core.now_us)
            await self.core.store.commit(Commit((draft,)))

    async def _record_refusal(
        self, identity: AgentIdentity, session: Session, version: AgentVersion, skill: str, no: Refusal
    ) -> None:
        payload = {
            "skill": skill,
            "agent": version.ref,
            "code": no.code,
            "rule": no.rule,
            "chain": list(identity.chain),
            "parent": session.mission,
        }
        stream = StreamId(f"tenant/{self.core.door.tenant}")
        draft = Draft(stream, "skill.refused", payload, identity.actor, self.core.now_us)
        await self.core.store.commit(Commit((draft,)))

    # --- what is shown of one

    async def _own(self, identity: AgentIdentity, agent: str, mission: str) -> Mapping[str, Any]:
        asked: Mapping[str, Any] | None = await self.core.store.record(ASKED, mission)
        if asked is None or asked["whose"] != _whose(identity) or asked["agent"] != agent:
            raise NotFound(f"This agent began no task {mission[:100]!r} here.")
        return asked

    async def _steps(self, active: ActiveMission) -> dict[str, Any]:
        """The steps that were proposed on the way, with how each ended and what it gave."""
        shown = {}
        for name, held in active.state.steps.items():
            if held.proposed_by is not None:
                output = await self._open(active, held.output) if held.output else None
                shown[str(name)] = {"status": held.status.value, "rules": list(held.rules), "output": output}
        return shown

    async def _open(self, active: ActiveMission, cid: str) -> Any:
        return await self.core.door.vault.open(Pointer(active.id, cid))


def _skill(version: AgentVersion, wanted: Wanted) -> str:
    names = [skill.name for skill in version.skills]
    name = wanted.skill or (names[0] if len(names) == 1 else "")
    skill = version.skill(name)
    if skill is None:
        raise UnknownSkill(f"{version.name} offers {', '.join(names)}; not {name[:100]!r}.")
    validator = jsonschema_rs.validator_for(dict(skill.input_schema))
    faults = _places(validator.iter_errors(dict(wanted.given)))
    if faults:
        raise InvalidInput(f"{name} takes other input at {', '.join(faults)}.", hint="The agent's card has the schema.")
    return name


def _places(faults: Any) -> Sequence[str]:
    """Where faults are, without the values."""
    return sorted({".".join(map(str, fault.instance_path)) or "the top" for fault in faults})


def _whose(identity: AgentIdentity) -> list[str]:
    """Agent, person and mission: two tokens with the same of them are one caller's."""
    return [identity.agent, identity.principal, identity.mission or ""]


def _name(identity: AgentIdentity, wanted: Wanted) -> MissionId:
    """One name for one message of one caller, so that a message that is sent again begins nothing."""
    said = orjson.dumps([_whose(identity), wanted.agent, wanted.message])
    return MissionId(f"msn-{hashlib.sha256(said).hexdigest()[:26]}")
