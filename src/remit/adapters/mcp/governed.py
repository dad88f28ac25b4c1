"""What a server offers to the door: its tools, and what else the door governs, as further tools of the source."""

from collections.abc import Mapping, Sequence
from typing import Any

from remit.tools import Tool

#: By the server's capability; a server that has one gets all of its requests.
_REQUESTS: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "resources": (
        ("resources/read", "Read a resource of this source.", ("uri",)),
        ("resources/subscribe", "Be told when a resource of this source changes.", ("uri",)),
        ("resources/unsubscribe", "Be told no longer.", ("uri",)),
    ),
    "prompts": (("prompts/get", "Have a prompt of this source filled in.", ("name",)),),
    "completions": (("completion/complete", "Have an argument completed.", ("ref", "argument")),),
}
_GOVERNED = frozenset(name for requests in _REQUESTS.values() for name, _, _ in requests)


def is_request(tool: Tool) -> bool:
    """Whether the tool is one of those requests, and no tool of the server's that is called so."""
    name = tool.local_name
    return name in _GOVERNED and tool.extra.get("_meta") == {"remit/request": name}


def capabilities_of(offers: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a server said that it can do."""
    told = offers.get("capabilities")
    return told if isinstance(told, dict) else {}


def definitions_of(tools: Sequence[Any], capabilities: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The server's tools as it defines them, and the requests that its capabilities stand for."""
    offered = [tool for tool in tools if isinstance(tool, dict)]
    names = {tool.get("name") for tool in offered}
    return [
        *offered,
        *(
            _definition(name, description, required)
            for capability, requests in _REQUESTS.items()
            if capabilities.get(capability) is not None
            for name, description, required in requests
            if name not in names
        ),
    ]


def _definition(name: str, description: str, required: tuple[str, ...]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {field: {} for field in required}, "required": list(required)}
    return {"name": name, "description": description, "inputSchema": schema, "_meta": {"remit/request": name}}
