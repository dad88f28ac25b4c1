"""A session: an agent outside works in a step of its own, and comes to the door call by call.

The agent may be written in any language and framework. Its step is never started by a driver; what it proposes and may
not do unasked becomes a step that Remit carries out after a person's yes, while the agent goes on with other work.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from remit.budgets import mission_balance
from remit.clock import Clock
from remit.errors import ApprovalPending, MissionEnded, RemitError, ToolFailed
from remit.gateway import UNBOUND, Answer, Bounds, Call, Door, Interrupted, Leave, Line, Recorded, Suspended, micros_of
from remit.identity import Principal, Right, covers, require
from remit.ids import Ids, MissionId, StepId
from remit.ledger import Commit, Draft, OpenBalance, PutRecord, Write
from remit.missions.active import ActiveMission, stream_of
from remit.missions.asking import suspend
from remit.missions.decide import Submit, decide
from remit.missions.events import MissionSubmitted, StepFailed
from remit.missions.perform import Performer, StepRun
from remit.missions.state import MissionState, StepState
from remit.missions.submit import known_values
from remit.planning import Step, StepKind
from remit.registry import AgentVersion
from remit.state import Pointer
from remit.tools import Label, Tool

#: What missions that hold a session are listed under, in place of a workflow's name.
SESSION_WORKFLOW = "session"
SESSION_STEP = StepId("session")
#: Table of the store: by token, the session that was opened for it.
OWN_SESSIONS = "own-session"
#: Calls that wait for a person are carried out after the agent has gone; this is how long such a mission may live.
_DEADLINE = timedelta(days=31)
_STEPS_MAX = 10_000
#: Turns of models that are looked through for an earlier one.
_TURNS_MAX = 500


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session begins with."""

    agent: AgentVersion
    #: What the person gave the agent to work on; its values may reach sinks unasked.
    inputs: Mapping[str, Any]
    #: The most that it may spend on models and priced tools, in US dollar micro-units.
    budget_usd_micros: int
    reader: str
    #: The token for which it is opened, and when that can no longer be alive; none where it is closed by hand.
    token: str = ""
    expires_at_us: int = 0


@dataclass(slots=True)
class Wish:
    """One call as the agent made it."""

    tool: str
    arguments: Mapping[str, Any]
    bounds: Bounds
    #: The agent's own name for it.
    own_key: str
    prompt: tuple[str, str] | None
    on_part: Callable[[Any], None] | None
    line: Line | None
    #: Tool and digest of the arguments.
    name: str = ""
    occurrence: int | str = 0


async def open_session(
    door: Door,
    clock: Clock,
    ids: Ids,
    by: Principal,
    opening: Opening,
    *,
    under: tuple[tuple[str, int], ...] = (),
) -> MissionId:
    """Put a mission on record that holds one step: the work of an agent outside.

    Args:
        door: whose journal and vault are used.
        clock: for when.
        ids: for the mission's name.
        by: the person for whom.
        opening: what it begins with.
        under: leases with the epochs under which alone it may be opened.

    Raises:
        RightsExceeded: this person may not submit missions.
        DriverReplaced: one of those epochs is over.
    """
    require(by, Right.SUBMIT)
    mission = MissionId(ids.new("msn"))
    space = door.vault.open_space(mission)
    inputs, body = door.vault.seal(mission, dict(opening.inputs))
    step = Step(SESSION_STEP, StepKind.CONNECTED, opening.agent.ref, inputs.cid, attempts_max=1)
    event = MissionSubmitted(
        SESSION_WORKFLOW,
        by.id,
        inputs.cid,
        opening.agent.tools,
        opening.budget_usd_micros,
        _STEPS_MAX,
        micros_of(clock.now() + _DEADLINE),
        opening.reader,
        known_values(door, mission, opening.inputs),
        (step,),
    )
    now_us = micros_of(clock.now())
    drafts = tuple(
        Draft(stream_of(mission), decided.kind, decided.payload(), by.actor, now_us, decided.version)
        for decided in decide(MissionState(mission), Submit(event))
    )
    listed = {"workflow": SESSION_WORKFLOW, "principal": by.id, "submitted_at_us": now_us, "status": "working"}
    limit = OpenBalance(mission_balance(mission), opening.budget_usd_micros)
    writes: list[Write] = [space, body, limit, PutRecord("mission", mission, listed)]
    if opening.token:
        of_token = {"mission": mission, "expires_at_us": opening.expires_at_us}
        writes.append(PutRecord(OWN_SESSIONS, opening.token, of_token))
    await door.journal.commit(Commit(drafts, tuple(writes), expect=((stream_of(mission), 0),), also=under))
    return mission


class Session:
    """One agent's open step. Calls may come at once; each passes the whole door."""

    def __init__(self, performer: Performer, mission: ActiveMission, epoch: int, step: StepId = SESSION_STEP) -> None:
        self._run = StepRun(performer, mission, step, epoch, lease=performer.door.session_lease_of(mission.id))
        self._run.agent = self._run.step.target
        self._mission = mission
        #: The next occurrence of each call, by tool and digest of its arguments.
        self._next: dict[str, int] = {}
        #: Calls that wait for a person or were answered by one, and whose outcome the agent has not taken yet.
        self._untaken: dict[str, list[int]] = {}
        self._asking = asyncio.Lock()
        self._in_flight: set[asyncio.Task[Answer]] = set()

    @property
    def mission(self) -> MissionId:
        """The mission that holds the step."""
        return self._mission.id

    @property
    def agent(self) -> str:
        """`NAME@VERSION`."""
        return self._run.agent

    @property
    def principal(self) -> str:
        """The person for whom the agent acts."""
        submitted = self._mission.state.submitted
        assert submitted is not None
        return submitted.principal

    @property
    def label(self) -> Label:
        """What the agent has read here so far."""
        return self._run.tape.label

    @property
    def ended(self) -> bool:
        """True where no call is taken any more."""
        return self._mission.state.status.ended or self._held.status.ended

    async def begin(self) -> None:
        """Claim the step for this process, and settle what a crash left open.

        Raises:
            DriverReplaced: another process drives the home.
            MissionEnded: the session is over.
        """
        self._check_open()
        run = self._run
        # Whatever stands on record was done by this very session: a further write departs from nothing.
        run.tape.consumed.update(run.mission.log.writes(run.name))
        await run.claim()
        for recorded in run.mission.log.open_writes(run.name):
            await self._settle(recorded)

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        bounds: Bounds = UNBOUND,
        idempotency_key: str = "",
        prompt: tuple[str, str] | None = None,
        on_part: Callable[[Any], None] | None = None,
        line: Line | None = None,
    ) -> Answer:
        """Take one call through the door.

        Args:
            tool: `SOURCE__TOOL`.
            arguments: as the tool's schema has them.
            bounds: of the token that the call came with.
            idempotency_key: the agent's own name for this call; the same call under the same name is answered from
                the record. Without one, each call is a wish of its own, except that the first repeat of a write after
                a restart of Remit is answered from the record: its answer may never have reached the agent.
            prompt: for a turn of a model, the prompt's name and the text of the instructions.
            on_part: takes the pieces of an answer as they come, where the source gives it in pieces.
            line: where the source's words and questions go meanwhile.

        Raises:
            ApprovalPending: it waits for a person; the same call, made again later, is answered with the outcome.
            Refusal, ToolFailed, ToolUnreachable: as the door says; on record.
            MissionEnded: the session is over.
            DriverReplaced: another process drives the home now.
        """
        await self.see(of_late=True)
        self._check_open()
        wish = Wish(tool, arguments, bounds, idempotency_key, prompt, on_part, line)
        wish.name = f"{tool}|{self._run.door.vault.digest(self.mission, dict(arguments))}"
        wish.occurrence = self._place(wish.name, wish)
        return await self._made(wish)

    async def see(self, *, of_late: bool = False) -> None:
        """Fold what other processes wrote of this session; where there is one process, there is nothing to fold.

        With `of_late`, what was folded for the very request that asks need not be folded again.
        """

    async def _made(self, wish: Wish) -> Answer:
        name, occurrence = wish.name, wish.occurrence
        key = self._key(wish.tool, wish.arguments, occurrence)
        child = self._child(key)
        if child is not None:
            return await self._outcome(name, occurrence, child)
        prompt = wish.prompt
        if prompt is not None:
            prompt = (prompt[0], self._run.door.vault.digest(self.mission, prompt[1]))
        leave = self._confirmed(key)
        call = Call(
            wish.tool, wish.arguments, occurrence, leave=leave, prompt=prompt, on_part=wish.on_part, line=wish.line
        )
        try:
            answer = await self._to_its_end(call, wish.bounds)
        except Suspended as wait:
            if isinstance(occurrence, int) and occurrence not in self._untaken.get(name, ()):
                self._untaken.setdefault(name, []).append(occurrence)
            return await self._ask(wait)
        except ToolFailed:
            self._take(name, occurrence)
            raise
        self._take(name, occurrence)
        return answer

    async def turns(self) -> AsyncIterator[tuple[Mapping[str, Any], Any]]:
        """What models were asked in this session and what they answered, the newest first."""
        vault, mission = self._run.door.vault, self.mission
        for recorded in islice(self._mission.log.turns_of(self._run.name), _TURNS_MAX):
            assert recorded.done is not None
            asked = await vault.open(Pointer(mission, recorded.permit["args"]))
            yield asked, await vault.open(Pointer(mission, recorded.done["result"]))

    def tools(self, patterns: tuple[str, ...] = ("*",)) -> list[Tool]:
        """The tools that the agent may ask for now: granted to the person, the mission, the agent and the token."""
        controls = self._run.door.controls
        submitted = self._mission.state.submitted
        assert submitted is not None
        person = controls.registry.principal(submitted.principal)
        version = controls.registry.agent(self.agent)
        granted = {
            **controls.registry.tools_granted(version, submitted.tools),
            **{tool.name: tool for tool in self._mission.log.added_of(controls.registry.tools)},
        }
        return [
            tool
            for name, tool in granted.items()
            if covers(version.tools, name)
            and covers(person.tools, name)
            and covers(patterns, name)
            and not controls.halted(agent=self.agent, tool=name, mission=self.mission)
        ]

    def usable(self, patterns: tuple[str, ...] = ("*",)) -> list[Tool]:
        """Those of `tools` that policy does not refuse whatever the arguments: what an agent is shown."""
        version = self._run.door.controls.registry.agent(self.agent)
        denies = self._run.door.controls.policies.denies_always
        return [tool for tool in self.tools(patterns) if not denies(version.name, version.version, tool)]

    async def close(self, *, failed: str = "", output: Any = None) -> None:
        """End the step: with what the agent gave, or with the code of what went wrong. Closing twice is harmless."""
        if self.ended:
            return
        run = self._run
        run.held = self._held
        if failed:
            event = StepFailed(run.name, run.held.attempt, run.number, failed, (failed,), False, False, "")
            await run.write_fact(event)
        else:
            await run.succeed(output)

    # --- parts

    @property
    def _held(self) -> StepState:
        return self._mission.state.steps[self._run.name]

    def _check_open(self) -> None:
        if self.ended:
            raise MissionEnded(f"The session {self.mission} is over.", rule="session_over")

    def _key(self, tool: str, arguments: Mapping[str, Any], occurrence: int | str) -> str:
        digest = self._run.door.vault.digest
        return digest(self.mission, [self._run.name, tool, digest(self.mission, dict(arguments)), occurrence])

    def _place(self, name: str, wish: Wish) -> int | str:
        """The call's occurrence: that of the same call whose outcome is still to be taken, else the next."""
        if wish.own_key:
            return self._run.door.vault.digest(self.mission, wish.own_key)
        if name not in self._next:
            self._remember(name, wish.tool, wish.arguments)
        if untaken := self._untaken.get(name):
            return untaken[0]
        occurrence = self._next[name]
        self._next[name] = occurrence + 1
        return occurrence

    def _remember(self, name: str, tool: str, arguments: Mapping[str, Any]) -> None:
        """What stands on record of this very call and was not made by this process."""
        occurrence, untaken = self._next.get(name, 0), []
        while self._known(key := self._key(tool, arguments, occurrence)):
            recorded = self._mission.log.last(self._run.name, key)
            if recorded is None or recorded.permit["sink"]:
                untaken.append(occurrence)
            occurrence += 1
        self._next[name] = occurrence
        if untaken:
            self._untaken[name] = untaken[-1:]

    def _known(self, key: str) -> bool:
        return self._mission.log.last(self._run.name, key) is not None or self._child(key) is not None

    def _child(self, key: str) -> StepState | None:
        """The step that carries this call out after a person's answer, where one was asked."""
        name = self._mission.answering.get((self._run.name, key))
        return None if name is None else self._mission.state.steps[name]

    async def _outcome(self, name: str, occurrence: int | str, child: StepState) -> Answer:
        if not child.status.ended:
            asked = self._mission.state.approvals
            approval = next((name for name, ask in asked.items() if child.step in ask.proposed), "")
            raise ApprovalPending(
                f"{child.step.target} waits for {f'an answer to {approval}' if approval else 'its turn'}.",
                rule=_rule(child),
                approval=approval,
            )
        self._take(name, occurrence)
        return await self._run.answer_of(child)

    def _take(self, name: str, occurrence: int | str) -> None:
        untaken = self._untaken.get(name, [])
        if isinstance(occurrence, int) and occurrence in untaken:
            untaken.remove(occurrence)
        if not untaken:
            self._untaken.pop(name, None)

    def _confirmed(self, key: str) -> Leave | None:
        """A person's word that the effect of this very call took place."""
        verdict = self._held.verdict
        if verdict is not None and verdict.uncertain and verdict.binds == (key,):
            return Leave(verdict.approval, verdict.by, verdict.binds, confirms_effect=True)
        return None

    async def _to_its_end(self, call: Call, bounds: Bounds) -> Answer:
        """A call that has begun is finished and recorded even where the agent that made it has gone."""
        task = asyncio.create_task(self._through(call, bounds))
        self._in_flight.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled():
            task.exception()  # it stands on record; an agent that has gone does not ask for it

    async def _through(self, call: Call, bounds: Bounds) -> Answer:
        run = self._run
        run.held = self._held
        # Only a write of another kind counts as progress: one that is repeated goes in a circle all the same.
        progress = f"{run.mission.progress}.{run.mission.log.acted(run.name)}"
        caller = run.caller("", bounds)
        try:
            return await run.door.enforce(caller, call, run.mission.log, run.tape, progress=progress)
        except Interrupted as stop:
            if isinstance(stop.cause, RemitError):
                raise stop.cause from stop
            raise

    async def _ask(self, wait: Suspended) -> Answer:
        # One at a time: the name of the step that will carry the call out counts those before it.
        async with self._asking:
            run = self._run
            run.held, run.blobs = self._held, []
            if wait.about == "effect_uncertain" and run.held.code == "effect_uncertain":
                raise ApprovalPending("A person is asked whether the call took effect.", rule="effect_uncertain")
            approval = await suspend(run, wait, fact=f"ask/{run.name}/{wait.key}")
        raise ApprovalPending(
            f"{wait.call.tool} waits for a person's answer to {approval}.",
            rule=wait.questions[0].rule if wait.questions else "approval",
            approval=approval,
        )

    async def _settle(self, recorded: Recorded) -> None:
        """A write that a crash left without an outcome: finished under its own key, or put to a person."""
        run = self._run
        arguments = await run.door.vault.open(Pointer(self.mission, recorded.permit["args"]))
        permit = recorded.permit
        call = Call(permit["tool"], arguments, permit["nth"], leave=self._confirmed(permit["key"]))
        try:
            await self._through(call, UNBOUND)
        except Suspended as wait:
            try:
                await self._ask(wait)
            except ApprovalPending:
                return
        except RemitError:
            # On record, or still open under its key: the agent that makes the call again meets the same answer.
            return


def _rule(child: StepState) -> str:
    return child.rules[0] if child.rules else "approval"
