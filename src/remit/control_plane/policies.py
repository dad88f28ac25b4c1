"""Policies: what is in force, what is wrong with it, what it would say, and whether it says what it should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from remit.control_plane.core import Core
from remit.control_plane.findings import declared_tools, findings, policies_of
from remit.control_plane.resources import Resources, kinds, policies_in, raw_of
from remit.control_plane.simulate import Simulation, since_us
from remit.errors import InvalidInput, InvalidResource
from remit.gateway.enforce import MODEL_SOURCE
from remit.identity import Principal, Right, covers, require
from remit.policy import PolicySet, Request, check_agents, load_policy, remedy, to_json
from remit.policy.cases import Basis, Judged, judge, read_cases
from remit.registry import Registry, StoredResource, plan_apply
from remit.resources import Problem

Files = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that is asked of policies; nothing here changes them."""

    core: Core

    async def all(self) -> list[dict[str, Any]]:
        """Every policy, whether it is active, and what it says."""
        names = self.core.door.controls.registry.names.agents
        shown = []
        for resource in (await self._stored()).values():
            if resource.kind != "Policy":
                continue
            policy, _ = load_policy(raw_of(resource))
            problems = check_agents(policy, names) if policy else []
            shown.append(
                {
                    "name": resource.name,
                    "active": not problems,
                    "inactive_because": [problem.message for problem in problems],
                    **{key: value for key, value in resource.fields.items() if key != "name"},
                }
            )
        return shown

    async def check(self, files: Files) -> dict[str, Any]:
        """What is wrong, contradictory or without effect in policies: those in force, with these files added."""
        stored = await self._stored()
        plan = plan_apply(files, stored, self.core.kinds, built_in=(MODEL_SOURCE,))
        after = Registry.build({**stored, **{resource.key: resource for resource in plan.resources}}.values())
        tools = {tool.name: tool for tool in declared_tools(after.sources)}
        tools |= self.core.door.controls.registry.tools
        found = [*plan.problems, *findings(policies_in(stored.values()), files, after, tools.values())]
        return {
            "ok": not any(problem.severity == "error" for problem in found),
            "problems": [{"severity": problem.severity, "message": str(problem)} for problem in found],
        }

    async def explain(
        self, agent: str, tool: str, arguments: Mapping[str, Any], *, principal: str = "", skill: str = ""
    ) -> dict[str, Any]:
        """What policy would say to this call, the first of a fresh mission: every rule that spoke, with its values.

        It is asked what the door asks: a payee's name is never taken from the call, and a turn counts only for a model.

        Raises:
            NotFound, UnknownTool: there is no such agent or tool.
            InvalidInput: the amount cannot be read.
        """
        controls = self.core.door.controls
        version = controls.registry.agent(agent)
        known = controls.registry.tool(tool)
        try:
            amount = known.amount_of(arguments)
        except ValueError as error:
            raise InvalidInput(f"The amount of {known.name} cannot be read: {error}.") from error
        turns = int(known.model)
        request = Request(
            agent=version.name,
            agent_version=version.version,
            principal=principal,
            mission="",
            skill=skill,
            tool=known,
            arguments=arguments,
            amount=amount,
            payee=known.value_of("payee", arguments),
            payee_name=None,
            mission_spent={},
            payee_spent={},
            reflections=turns,
            turns=turns,
        )
        decision = controls.policies.decide(request)
        return {
            **to_json(decision),
            #: False: the door refuses the call before policy is asked.
            "granted": covers(version.tools, known.name),
            "remedy": remedy(decision, request, controls.policies.policies, controls.rates),
        }

    async def test(self, cases: Files, files: Files = ()) -> dict[str, Any]:
        """Decide cases on the policies in force, or on those of `files` alone; see `try_cases`.

        Raises:
            InvalidResource: a case or a file is not valid; every error at its line.
        """
        if files:
            return try_cases(cases, files)
        controls = self.core.door.controls
        return _tried(cases, Basis(controls.policies, controls.registry.tools, controls.rates))

    async def simulate(
        self, by: Principal, files: Files, *, since: str = "", mission: str = "", alone: bool = False
    ) -> dict[str, Any]:
        """What would have been different on record, had the policies of these files been in force.

        They go before policies of the same names that are in force, or stand `alone`; policies in shadow among them are
        decided as if they were enforced. `since` is `30d` or a date.

        Raises:
            RightsExceeded: this person may not read the ledger.
            InvalidResource: a file is not valid; every error at its line.
            InvalidInput: `since` cannot be read, or the files hold no policy.
        """
        require(by, Right.READ_LEDGER)
        core = self.core
        stored = await self._stored()
        plan = plan_apply(files, stored, core.kinds, built_in=(MODEL_SOURCE,))
        plan.require_valid()
        given = {policy.name: replace(policy, shadow=False) for policy in policies_of(files)}
        if not given:
            raise InvalidInput("The files hold no policy.")
        after = {**stored, **{resource.key: resource for resource in plan.resources}}
        standing = {} if alone else {policy.name: policy for policy in policies_in(stored.values())}
        known = Registry.build(after.values()).names.agents
        policies = PolicySet.compile({**standing, **given}.values(), core.door.controls.rates, known)
        return await Simulation(core, policies, since_us(since, core.now_us)).run(mission)

    async def _stored(self) -> dict[str, StoredResource]:
        return await Resources(self.core).stored()


def try_cases(cases: Files, files: Files = ()) -> dict[str, Any]:
    """Decide cases on the policies, agents and declared tools of resource files, without a home.

    A case that brings policies of its own needs no file.

    Raises:
        InvalidResource: a case or a file is not valid; every error at its line.
    """
    return _tried(cases, _basis(files))


def brings_all(cases: Files) -> bool:
    """True where every case brings its policies and its tool, so that nothing else is needed to decide it."""
    return all(case.own is not None and not isinstance(case.tool, str) for case in read_cases(cases)[0])


def _tried(cases: Files, basis: Basis) -> dict[str, Any]:
    read, problems = read_cases(cases)
    require_none(problems)
    if not read:
        raise InvalidInput("The files hold no case.")
    judged = [judge(case, basis) for case in read]
    failed = sum(bool(one.faults) for one in judged)
    return {
        "ok": not failed,
        "passed": len(judged) - failed,
        "failed": failed,
        "cases": [_shown(one) for one in judged],
    }


def _shown(judged: Judged) -> dict[str, Any]:
    case = judged.case
    return {
        "file": case.file,
        "line": case.line,
        "description": case.description,
        "ok": not judged.faults,
        "expected": case.expected.answer,
        "faults": list(judged.faults),
        "decision": None if judged.decision is None else to_json(judged.decision),
    }


def _basis(files: Files) -> Basis:
    if not files:
        return Basis(PolicySet.compile((), None, ()))
    plan = plan_apply(files, {}, kinds(), built_in=(MODEL_SOURCE,))
    require_none([problem for problem in plan.problems if problem.severity == "error"])
    registry = Registry.build(plan.resources)
    tools = declared_tools(registry.sources)
    policies = PolicySet.compile(policies_in(plan.resources), None, registry.names.agents)
    return Basis(policies, {tool.name: tool for tool in tools})


def require_none(problems: Sequence[Problem]) -> None:
    """Return where there are no problems.

    Raises:
        InvalidResource: names them all.
    """
    if problems:
        raise InvalidResource("\n".join(map(str, problems)))
