"""Remit's own tools as agents see them: names, what they say, and the schemas of their arguments."""

from collections.abc import Mapping
from typing import Any

from remit.state import GOAL_BYTES_MAX, LIFE_SECONDS_MAX
from remit.state.memory import DAYS, FOUND_MAX, KEY_CHARS_MAX
from remit.tools import Confidentiality, Tier, Tool

#: The source of Remit's own tools; no resource may take this name.
OWN_SOURCE = "remit"

_TIERS = {
    "type": "array",
    "items": {"type": "string", "maxLength": 80},
    "minItems": 1,
    "maxItems": 16,
    "description": "`goal`, `reflections`, `tools` (all of them) or `tool:NAME`.",
}
_SCOPE = {
    "type": "string",
    "enum": list(DAYS),
    "description": "mission: all agents of this mission; agent: this agent in all missions; person: all agents that "
    "act for this person; tenant: all agents.",
}
_KEY = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "description": "The note's name in its scope."}


def _schema(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def _tool(name: str, description: str, schema: Mapping[str, Any], *, writes: bool = False) -> Tool:
    tier = Tier.RESTRICTED_WRITE if writes else Tier.READ
    return Tool(
        f"{OWN_SOURCE}__{name}",
        OWN_SOURCE,
        description,
        schema,
        tier,
        own=True,
        idempotent=True,
        confidentiality=Confidentiality.INTERNAL,
    )


TOOLS: tuple[Tool, ...] = (
    _tool(
        "state_save",
        "Keep your working state: it survives attempts, restarts and other workers. What you leave out stays as it is.",
        _schema(
            {
                "goal": {"description": f"What you work towards: JSON of at most {GOAL_BYTES_MAX} bytes."},
                "tools": {
                    "type": "object",
                    "maxProperties": 64,
                    "description": "A slice of JSON for each tool or topic, by name; null takes one away.",
                },
                "reflect": {"description": "One more line for your log: what you found, tried or decided."},
            }
        ),
        writes=True,
    ),
    _tool(
        "state_read",
        "Read your working state, or the part of another agent's that a pointer grants you.",
        _schema({"pointer": {"type": "string", "maxLength": 4096}, "tiers": _TIERS}),
    ),
    _tool(
        "state_point",
        "Make a pointer to your working state, to hand to another agent in place of the history.",
        _schema(
            {
                "to": {"type": "string", "maxLength": 128, "description": "An agent, or the skill that it offers."},
                "tiers": _TIERS,
                "minutes": {"type": "integer", "minimum": 1, "maximum": LIFE_SECONDS_MAX // 60},
            },
            ("to", "tiers"),
        ),
    ),
    _tool(
        "memory_write",
        "Keep a note beyond this step, in place of the one that stands under this key.",
        _schema(
            {
                "scope": _SCOPE,
                "key": _KEY,
                "value": {"description": "Text or other JSON."},
                "days": {"type": "integer", "minimum": 1, "description": "Keep it for fewer days than the scope does."},
            },
            ("scope", "key", "value"),
        ),
        writes=True,
    ),
    _tool("memory_read", "Read one note.", _schema({"scope": _SCOPE, "key": _KEY}, ("scope", "key"))),
    _tool(
        "memory_search",
        "Find notes by the words that stand in them; without `text` the newest.",
        _schema(
            {
                "scope": _SCOPE,
                "text": {"type": "string", "maxLength": 1000},
                "limit": {"type": "integer", "minimum": 1, "maximum": FOUND_MAX},
            },
            ("scope",),
        ),
    ),
    _tool("memory_forget", "Take a note away.", _schema({"scope": _SCOPE, "key": _KEY}, ("scope", "key")), writes=True),
)
