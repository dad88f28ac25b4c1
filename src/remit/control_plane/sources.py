"""Sources of tools: how they are, and what a new one could be declared as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from remit.control_plane.core import Core
from remit.errors import EgressRefused, InvalidInput, Misuse, RemitError, SourceUnasked
from remit.gateway import Transport
from remit.gateway.transport import Surveyed
from remit.identity import Principal, Right, require
from remit.registry import Proposal, Registry, StoredResource, ToolSource, declared_of, plan_apply, proposals
from remit.registry.sql import DISCOVERY

_API = "remit/v1"
#: A database is looked at through a source that could do nothing but this.
_LOOKING = {"queries": {"look": {"sql": "SELECT 1"}}}
_DECLARING = frozenset({"tables", "queries", "statements"})


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of one home."""

    core: Core

    def all(self) -> list[dict[str, Any]]:
        """Every source: its form, how many tools were accepted, and how it has answered of late."""
        registry, health = self.core.door.controls.registry, self.core.door.admission.health()
        quiet = {"state": "closed", "failures": 0, "under_way": 0, "waiting": 0}
        return [
            {
                "name": name,
                "form": source.form,
                "tools": sum(tool.source == name for tool in registry.tools.values()),
                **health.get(name, quiet),
            }
            for name, source in sorted(registry.sources.items())
        ]

    async def propose(
        self, fields: Mapping[str, Any], by: Principal, *, tables: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """Ask a source that is not applied yet what it offers, and propose how to declare it; nothing is kept.

        A database that is declared without anything in it is connected to and looked at: its tables, columns and keys.

        Args:
            fields: a `kind: ToolSource` without `tools`.
            by: who asks; they need the right to apply.
            tables: of a database, those that are meant with their columns; none for all.

        Raises:
            RightsExceeded: this person may not apply resources.
            InvalidResource: the fields are no source, with every error, or a file that it names is not there.
            InvalidInput: it is there already, or has no such table.
            SourceUnasked: it cannot be asked.
        """
        require(by, Right.APPLY)
        document = {"apiVersion": _API, "kind": "ToolSource", **fields}
        name = str(fields.get("name", ""))
        if name in self.core.door.controls.registry.sources:
            raise InvalidInput(f"There is a source {name!r} already.", hint="Change its file and apply it.")
        notes: list[str] = []
        if _is_bare_database(fields):
            document["sql"], notes = await self._declared(document, tables or {})
        source = self._source(document)
        found = [] if source.models else proposals(await self._definitions(source), reads=_reads(source))
        if found:
            document["tools"] = {one.name: one.to_json() for one in found}
        return {
            "yaml": yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000),
            "tools": [_shown(one) for one in found],
            "notes": notes,
        }

    async def _declared(
        self, document: Mapping[str, Any], tables: Mapping[str, Sequence[str]]
    ) -> tuple[dict[str, Any], list[str]]:
        """The `sql:` that could be declared of a database, and what was left out."""
        written = dict(document["sql"])
        source = self._source({**document, "sql": {**written, **_LOOKING}})
        transport = self.core.connect(source)
        try:
            if not isinstance(transport, Surveyed):
                raise InvalidInput("A database is looked at with a secret of Remit's own: name it with `credential`.")
            found = await transport.survey()
        except RemitError as error:
            raise _unasked(source.name, error) from error
        finally:
            await transport.close()
        declared, notes = declared_of(found, tables)
        return {**written, **declared}, notes

    def _source(self, document: Mapping[str, Any]) -> ToolSource:
        plan = plan_apply([("source.yaml", yaml.safe_dump(dict(document), sort_keys=False))], {}, self.core.kinds)
        plan.require_valid()
        (resource,) = plan.resources
        return Registry.build([StoredResource("ToolSource", resource.name, resource.fields)]).sources[resource.name]

    async def _definitions(self, source: ToolSource) -> Sequence[Mapping[str, Any]]:
        transport: Transport = self.core.connect(source)
        try:
            return await transport.definitions()
        except RemitError as error:
            raise _unasked(source.name, error) from error
        finally:
            await transport.close()


def _is_bare_database(fields: Mapping[str, Any]) -> bool:
    written = fields.get("sql")
    return isinstance(written, Mapping) and not _DECLARING & written.keys()


def _reads(source: ToolSource) -> frozenset[str]:
    """Tools that cannot write, whatever they are called."""
    return frozenset() if source.sql is None else frozenset({*source.sql.queries, *DISCOVERY})


def _unasked(name: str, error: RemitError) -> RemitError:
    """Whose fault it is that there is no answer: what was written, or the source."""
    if isinstance(error, Misuse):
        return type(error)(f"{name}: {error.detail}", hint=error.advice, rule=error.rule)
    advice = error.advice
    if isinstance(error, EgressRefused):
        advice += " `remit sources add` writes that for you with --allow."
    return SourceUnasked(f"{name}: {error.detail or error.title}", hint=advice, rule=error.rule)


def _shown(proposal: Proposal) -> dict[str, Any]:
    return {
        "name": proposal.name,
        "tier": proposal.tier.value,
        "roles": dict(proposal.roles),
        "because": proposal.because,
    }
