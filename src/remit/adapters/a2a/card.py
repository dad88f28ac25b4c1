"""What an agent's card offers, and where its messages go."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
from a2a.client.card_resolver import parse_agent_card
from a2a.types import AgentCard, AgentInterface
from a2a.utils.constants import TransportProtocol
from google.protobuf.json_format import ParseError

from remit.errors import EgressRefused, InvalidResource
from remit.registry import A2aSource

BINDINGS = (TransportProtocol.JSONRPC.value, TransportProtocol.HTTP_JSON.value)
_SKILLS_MAX = 200
_NAME_MAX = 200
#: What every skill takes: A2A describes skills in words, not by schemas.
INPUT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 100_000, "description": "What is asked, in words."},
        "data": {"type": "object", "description": "What is asked, as structured data."},
        "task": {"type": "string", "maxLength": _NAME_MAX, "description": "Goes on with a task that asked for input."},
        "context": {"type": "string", "maxLength": _NAME_MAX, "description": "The conversation to which this belongs."},
    },
    "anyOf": [{"required": ["text"]}, {"required": ["data"]}],
    "additionalProperties": False,
}


def read_card(content: bytes) -> AgentCard:
    """The card.

    Raises:
        InvalidResource: it is none.
    """
    try:
        card = parse_agent_card(orjson.loads(content))
    except (orjson.JSONDecodeError, ParseError, TypeError, ValueError, AttributeError):
        raise InvalidResource("What stands at the card's address is no A2A agent card.") from None
    if not card.skills or len(card.skills) > _SKILLS_MAX:
        raise InvalidResource(f"The card names {len(card.skills)} skills; expected 1 to {_SKILLS_MAX}.")
    return card


def reachable(card: AgentCard, source: A2aSource) -> AgentCard:
    """The card with the one interface that is used.

    Raises:
        InvalidResource: it has none that is spoken here.
        EgressRefused: it sends messages to another place than where it stands itself.
    """
    spoken = [
        one
        for one in card.supported_interfaces
        if one.protocol_binding in BINDINGS and one.protocol_version.partition(".")[0] == "1"
    ]
    if not spoken:
        offered = sorted({f"{one.protocol_binding} {one.protocol_version}" for one in card.supported_interfaces})
        raise InvalidResource(
            f"The card offers {', '.join(offered)[:200] or 'no interface'}; known: A2A 1 over {' and '.join(BINDINGS)}."
        )
    beside = [one for one in spoken if urlsplit(one.url)[:2] == urlsplit(source.card)[:2]]
    if not beside and source.endpoint is None:
        raise EgressRefused(
            f"The card at {urlsplit(source.card).netloc} sends messages to {spoken[0].url[:200]}, another place.",
            hint="If that is right, write it as `endpoint` in the source.",
            rule="endpoint_elsewhere",
        )
    chosen = AgentInterface()
    chosen.CopyFrom(spoken[0] if source.endpoint else beside[0])
    chosen.url = source.endpoint or chosen.url
    used = AgentCard()
    used.CopyFrom(card)
    del used.supported_interfaces[:]
    used.supported_interfaces.append(chosen)
    return used


def definitions_of(card: AgentCard) -> Sequence[Mapping[str, Any]]:
    """Each skill as a tool, under its id; where its messages go is part of its pin."""
    behind = sha256(card.supported_interfaces[0].url.encode()).hexdigest()
    return [
        {
            "name": skill.id,
            "description": f"{skill.name}: {skill.description}" if skill.description else skill.name,
            "inputSchema": dict(INPUT),
            "_meta": {"remit/behind": behind},
        }
        for skill in card.skills
    ]
