"""An agent's card: what it offers, in what form, and how to come in."""

from typing import Any

from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2a.utils.constants import PROTOCOL_VERSION_CURRENT, TransportProtocol
from google.protobuf.json_format import MessageToDict, ParseDict

from remit.registry import AgentVersion

#: Cards describe skills in words; this extension adds the JSON Schemas of what they take and give.
SCHEMAS = "urn:remit:a2a:skill-schemas:1"
_BEARER = "bearer"
_JSON = "application/json"


def card_of(version: AgentVersion, url: str) -> dict[str, Any]:
    """The card as JSON; `url` is where messages go."""
    schemas = AgentExtension(
        uri=SCHEMAS,
        description="JSON Schema of each skill's input and output, by the skill's id.",
        required=False,
    )
    told = {
        skill.name: {"input": dict(skill.input_schema), "output": dict(skill.output_schema)} for skill in version.skills
    }
    ParseDict(told, schemas.params)
    card = AgentCard(
        name=version.name,
        description=version.description or version.name,
        version=version.version,
        supported_interfaces=[
            AgentInterface(
                url=url,
                protocol_binding=TransportProtocol.JSONRPC.value,
                protocol_version=PROTOCOL_VERSION_CURRENT,
            )
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=False, extensions=[schemas]),
        security_schemes={
            _BEARER: SecurityScheme(
                http_auth_security_scheme=HTTPAuthSecurityScheme(
                    scheme="Bearer", description="A token of this home for the agent that asks, with the skill in it."
                )
            )
        },
        security_requirements=[SecurityRequirement(schemes={_BEARER: StringList()})],
        default_input_modes=[_JSON, "text/plain"],
        default_output_modes=[_JSON],
        skills=[
            AgentSkill(id=skill.name, name=skill.name, description=skill.description, tags=[version.name])
            for skill in version.skills
        ],
    )
    shown: dict[str, Any] = MessageToDict(card)
    return shown
