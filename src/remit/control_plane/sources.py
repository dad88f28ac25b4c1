"""Sources of tools: how they are, and what a new one could be declared as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from remit.control_plane.core import Core
from remit.errors import EgressRefused, InvalidInput, RemitError
from remit.identity import Principal, Right, require
from remit.registry import Proposal, Registry, StoredResource, plan_apply, proposals

_API = "remit/v1"


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

    async def propose(self, fields: Mapping[str, Any], by: Principal) -> dict[str, Any]:
        """Ask a source that is not applied yet what it offers, and propose how to declare it; nothing is kept.

        Args:
            fields: a `kind: ToolSource` without `tools`.
            by: who asks; they need the right to apply.

        Raises:
            RightsExceeded: this person may not apply resources.
            InvalidResource: the fields are no source, with every error.
            InvalidInput: it is there already, or it cannot be asked.
        """
        require(by, Right.APPLY)
        core = self.core
        document = {"apiVersion": _API, "kind": "ToolSource", **fields}
        name = str(fields.get("name", ""))
        if name in core.door.controls.registry.sources:
            raise InvalidInput(f"There is a source {name!r} already.", hint="Change its file and apply it.")
        text = yaml.safe_dump(document, sort_keys=False)
        plan = plan_apply([("source.yaml", text)], {}, core.kinds)
        plan.require_valid()
        (resource,) = plan.resources
        source = Registry.build([StoredResource("ToolSource", name, resource.fields)]).sources[name]
        transport = core.connect(source)
        try:
            found = [] if source.models else proposals(await transport.definitions())
        except RemitError as error:
            advice = error.advice
            if isinstance(error, EgressRefused):
                advice += " `remit sources add` writes that for you with --allow."
            told = error.detail or error.title
            raise InvalidInput(f"{name} cannot be asked for its tools. {told}", hint=advice) from error
        finally:
            await transport.close()
        if found:
            document["tools"] = {one.name: one.to_json() for one in found}
        return {
            "yaml": yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000),
            "tools": [_shown(one) for one in found],
        }


def _shown(proposal: Proposal) -> dict[str, Any]:
    return {
        "name": proposal.name,
        "tier": proposal.tier.value,
        "roles": dict(proposal.roles),
        "because": proposal.because,
    }
