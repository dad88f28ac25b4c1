"""Applying resource files, and what is in force."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remit.approvals import StandingApprovalDocument
from remit.budgets import CURRENCY, BudgetDocument, tenant_balance
from remit.control_plane.core import Core, iso
from remit.control_plane.findings import findings
from remit.control_plane.token_view import read_view
from remit.errors import InvalidResource, PoliciesPushed, RemitError
from remit.gateway import Controls, check_filters, halts_stream
from remit.gateway.enforce import MODEL_SOURCE
from remit.identity import Principal, Right, require
from remit.ids import StreamId
from remit.ledger import Commit, Draft, OpenBalance, PutRecord, Write
from remit.policy import Policy, PolicySet, check_agents, load_policy, load_rates
from remit.quantities import Money
from remit.registry import (
    KINDS,
    TABLE,
    TOOL_TABLE,
    ApplyPlan,
    Kind,
    Names,
    Registry,
    StoredResource,
    accept_tools,
    compare_pins,
    not_offered,
    plan_apply,
    tool_from_json,
    tools_of,
)
from remit.resources import Problem, RawResource
from remit.sidecars import TABLE as BESIDE
from remit.tools import Tier, Tool

RATES_FILE = "rates.yaml"


def _check_policy(raw: RawResource, names: Names) -> list[Problem]:
    policy, problems = load_policy(raw)
    if policy is not None:
        problems += check_agents(policy, names.agents)
    return problems


def kinds() -> dict[str, Kind]:
    """Every kind of resource that this release takes."""
    return {
        **KINDS,
        "Policy": Kind("Policy", None, _check_policy),
        "Budget": Kind("Budget", BudgetDocument),
        "StandingApproval": Kind("StandingApproval", StandingApprovalDocument),
    }


@dataclass(frozen=True, slots=True)
class Resources:
    """Declarative resources: apply, list, and the controls that follow from them."""

    core: Core

    async def apply(
        self,
        files: Sequence[tuple[str, str]],
        by: Principal | None,
        *,
        dry_run: bool = False,
        prompts: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Apply the texts of files, all or none, and say what changed.

        `by` is None only for the first files of a new home. `prompts` holds the texts of prompt files that agents
        name, by path.

        Raises:
            RightsExceeded: this person may not apply resources.
            PoliciesPushed: this is a sidecar's home.
            InvalidResource, VersionExists: every error at its line; nothing was applied.
        """
        if by is not None:
            require(by, Right.APPLY)
        if await self.core.store.record(BESIDE, "enrolment") is not None:
            raise PoliciesPushed
        stored = await self.stored()
        plan = plan_apply(files, stored, self.core.kinds, prompts=prompts, built_in=(MODEL_SOURCE, *self.core.built_in))
        plan.require_valid()
        _check_owner_left(stored, plan)
        tools, pins, warnings = await self._accepted_tools(plan, stored)
        found = self._findings(files, plan, stored, tools)
        shown = {
            "applied": not dry_run,
            "changes": [
                {
                    "action": change.action,
                    "kind": change.kind,
                    "name": change.name,
                    "file": change.file,
                    "differences": [str(difference) for difference in change.differences],
                }
                for change in plan.changes
            ],
            "tools": pins,
            "warnings": [*map(str, plan.warnings), *warnings, *map(str, found)],
        }
        if not dry_run and (plan.resources or tools):
            await self._write(plan, tools, by)
        return shown

    async def reload(self) -> None:
        """Read what is in force again; the door uses it from the next call on."""
        core = self.core
        stored = await self.stored()
        tools = [tool_from_json(value) for _, value in await core.store.records(TOOL_TABLE)]
        tools += await self._model_tools()
        for name, (transport, brought) in core.built_in.items():
            core.transports[name] = transport
            tools += brought
        registry = Registry.build(stored.values(), tools)
        rates = self._rates()
        written = policies_in(stored.values())
        check_filters(kind for policy in written for kind in policy.redact)
        policies = PolicySet.compile(written, rates, registry.names.agents)
        # First where they stand, then which they are: what comes between is found out by the first intent.
        halts_at = await self._halts_at()
        halts = frozenset(scope for scope, _ in await core.store.records("halt"))
        standing = tuple(
            StandingApprovalDocument.model_validate(resource.fields).to_standing()
            for resource in stored.values()
            if resource.kind == "StandingApproval"
        )
        core.door.controls = Controls(registry, policies, halts, halts_at, standing, rates)
        core.door.cut_halted()
        core.authenticator.view = await read_view(core.store, core.token_keys, core.authenticator.view)
        for name, source in registry.sources.items():
            if name not in core.transports:
                core.transports[name] = core.connect(source)

    async def _halts_at(self) -> int:
        core = self.core
        stands = core.door.controls.halts_at
        while further := await core.store.read(halts_stream(core.door.tenant), after=stands):
            stands = further[-1].seq
        return stands

    async def all(self, kind: str) -> list[dict[str, Any]]:
        """Resources of one kind as they were applied."""
        stored = await self.stored()
        return [
            {
                **resource.fields,
                "hash": resource.hash,
                "file": resource.file,
                "applied_at": iso(resource.applied_at_us or 0),
            }
            for resource in stored.values()
            if resource.kind == kind
        ]

    async def agents(self) -> list[dict[str, Any]]:
        """Every agent version, with the skills that it offers and whether callers get it."""
        registry = self.core.door.controls.registry
        return [
            {
                "name": version.name,
                "version": version.version,
                "stage": version.stage,
                "current": [skill.name for skill in version.skills if _serves(registry, skill.name, version.ref)],
                "skills": [skill.name for skill in version.skills],
                "tools": list(version.tools),
                "autonomy": version.autonomy,
                "description": version.description,
                "hash": version.hash,
            }
            for version in registry.versions.values()
        ]

    async def tools(self) -> list[dict[str, Any]]:
        """Every accepted tool: tier, roles, schema and pin."""
        return [
            {
                "name": tool.name,
                "source": tool.source,
                "tier": tool.tier.value,
                "description": tool.description,
                "idempotent": tool.idempotent,
                "directory": tool.directory,
                "roles": {role.name: role.argument for role in tool.roles},
                "extracts": dict(tool.extracts),
                "confidentiality": tool.confidentiality.value,
                "clearance": tool.clearance.value if tool.clearance else None,
                "input_schema": dict(tool.input_schema),
                "cost": str(tool.cost) if tool.cost else None,
                "pin": tool.pin,
            }
            for tool in self.core.door.controls.registry.tools.values()
        ]

    # --- inside

    async def stored(self) -> dict[str, StoredResource]:
        """Everything that was applied, by key."""
        return {key: StoredResource.from_json(value) for key, value in await self.core.store.records(TABLE)}

    def _findings(
        self,
        files: Sequence[tuple[str, str]],
        plan: ApplyPlan,
        stored: Mapping[str, StoredResource],
        accepted: Sequence[PutRecord],
    ) -> list[Problem]:
        """What is found in the policies of these files; what stood before is told by `remit policies check`."""
        if not any(change.kind == "Policy" for change in plan.changes):
            return []
        registry = Registry.build({**stored, **{resource.key: resource for resource in plan.resources}}.values())
        tools = dict(self.core.door.controls.registry.tools)
        for write in accepted:
            tools.pop(write.key, None)
            if write.value is not None:
                tools[write.key] = tool_from_json(write.value)
        found = findings(policies_in(stored.values()), files, registry, tools.values())
        return [problem for problem in found if problem.line]

    async def _accepted_tools(
        self, plan: ApplyPlan, stored: Mapping[str, StoredResource]
    ) -> tuple[list[PutRecord], list[str], list[str]]:
        """Ask each source in the files what it offers now, and pin it; nothing is written yet.

        A source whose file has not changed may offer something else than before: applying it again accepts that.
        """
        writes: list[PutRecord] = []
        pins: list[str] = []
        warnings: list[str] = []
        changed = {resource.name: resource for resource in plan.resources if resource.kind == "ToolSource"}
        named = [change.name for change in plan.changes if change.kind == "ToolSource"]
        if not named:
            return writes, pins, warnings
        accepted = [tool_from_json(value) for _, value in await self.core.store.records(TOOL_TABLE)]
        sources = Registry.build([changed.get(name) or stored[f"ToolSource/{name}"] for name in named]).sources
        for name, source in sources.items():
            transport = self.core.connect(source)
            try:
                definitions = await transport.definitions()
            except RemitError as error:
                if name not in changed:
                    warnings.append(f"{name} cannot be asked for its tools now; those that were accepted stand")
                    continue
                raise InvalidResource(
                    f"Tool source {name!r} cannot be asked for its tools. {error.detail or error.title}",
                    hint=error.advice,
                ) from error
            finally:
                await transport.close()
            offered = tools_of(source, definitions)
            before = [tool for tool in accepted if tool.source == name]
            pins += [change.accepted for change in compare_pins(before, offered)]
            warnings += [
                f"{name} does not offer {tool}, which is declared" for tool in not_offered(source, definitions)
            ]
            writes += accept_tools(offered, before)
        return writes, pins, warnings

    async def _write(self, plan: ApplyPlan, tools: list[PutRecord], by: Principal | None) -> None:
        core = self.core
        writes: list[Write] = [*plan.records_at(core.now_us), *tools]
        for resource in plan.resources:
            if resource.kind == "Budget":
                limit = BudgetDocument.model_validate(resource.fields).limit
                writes.append(OpenBalance(tenant_balance(core.door.tenant), Money.of(limit.amount, CURRENCY).micros))
        payload = {
            "resources": [{"key": r.key, "hash": r.hash} for r in plan.resources],
            "tools": [write.key for write in tools],
        }
        actor = by.actor if by else "remit"
        draft = Draft(StreamId(f"tenant/{core.door.tenant}"), "resources.applied", payload, actor, core.now_us)
        await core.store.commit(Commit((draft,), tuple(writes)))
        for resource in plan.resources:
            old = core.transports.pop(resource.name, None) if resource.kind == "ToolSource" else None
            if old is not None:
                await old.close()
        await self.reload()

    async def _model_tools(self) -> list[Tool]:
        model = self.core.model
        if model is None:
            return []
        self.core.transports[MODEL_SOURCE] = model
        return [
            Tool(
                f"{MODEL_SOURCE}__{d['name']}",
                MODEL_SOURCE,
                d["description"],
                d["inputSchema"],
                tier=Tier.READ,
                model=True,
            )
            for d in await model.definitions()
        ]

    def _rates(self) -> Any:
        path = self.core.home / RATES_FILE
        if not path.is_file():
            return None
        rates, problems = load_rates(path.read_text("utf-8"), RATES_FILE)
        if rates is None:
            raise InvalidResource("\n".join(map(str, problems)))
        return rates


def _check_owner_left(stored: Mapping[str, StoredResource], plan: ApplyPlan) -> None:
    """A home without an owner could never be changed again.

    Raises:
        InvalidResource: the files would leave none.
    """
    after = {**stored, **{resource.key: resource for resource in plan.resources}}
    if any(map(_is_owner, stored.values())) and not any(map(_is_owner, after.values())):
        raise InvalidResource(
            "No active owner would be left, so nobody could apply anything any more; nothing was applied.",
            hint="Keep `roles: [owner]` on one active principal, or make another one owner first.",
        )


def _is_owner(resource: StoredResource) -> bool:
    fields = resource.fields
    return resource.kind == "Principal" and "owner" in fields.get("roles", ()) and fields.get("active", True)


def _serves(registry: Registry, skill: str, ref: str) -> bool:
    return skill in registry.names.skills and registry.resolve(skill).ref == ref


def policies_in(stored: Iterable[StoredResource]) -> list[Policy]:
    """The policies among these resources."""
    found = []
    for resource in stored:
        if resource.kind == "Policy":
            policy, _ = load_policy(raw_of(resource))
            if policy is not None:
                found.append(policy)
    return found


def raw_of(resource: StoredResource) -> RawResource:
    """The document as it was written; its lines are not known any more."""
    return RawResource(resource.kind, resource.name, resource.fields, resource.file, 0, {}, bare=resource.bare)
