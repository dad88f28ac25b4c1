"""Going on from an earlier response: the conversation so far, from the record of this very session.

A provider that kept it would keep it for everybody under one account. Here it stands sealed under the session's
mission, as what was asked and answered at the door; whoever else names a response is told that there is none.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from remit.errors import InvalidInput
from remit.missions import Session

PREVIOUS = "previous_response_id"
_NAME_MAX = 200
_BYTES_MAX = 20 * 1024 * 1024


async def gone_on(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the conversation before it in place of the earlier response's name.

    Raises:
        InvalidInput: no response of this name was given in this session, or the whole has become too long.
    """
    name = asked[PREVIOUS]
    if not isinstance(name, str) or len(name) > _NAME_MAX:
        raise InvalidInput(f"`{PREVIOUS}` is no name of a response.", rule="response_unknown")
    async for arguments, answer in session.turns():
        if arguments.get("operation") == "responses" and isinstance(answer, Mapping) and answer.get("id") == name:
            before = _items(arguments["request"].get("input")) + _said(answer.get("output"))
            whole = {key: value for key, value in asked.items() if key != PREVIOUS}
            whole["input"] = before + _items(asked.get("input"))
            if len(orjson.dumps(whole)) > _BYTES_MAX:
                raise InvalidInput(
                    f"The whole conversation has more than {_BYTES_MAX} bytes.", rule="response_too_long"
                )
            return whole
    raise InvalidInput(
        f"`{PREVIOUS}` names no response that this agent was given in this session.",
        hint="Send the whole conversation; a session ends with its token.",
        rule="response_unknown",
    )


def _items(given: Any) -> list[Any]:
    """What a request says, item by item."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return list(given) if isinstance(given, list) else []


def _said(output: Any) -> list[Any]:
    """What the model said, as it can be said again, without names and thoughts that only the provider could look up."""
    said = []
    for item in output if isinstance(output, list) else ():
        if not isinstance(item, Mapping):
            continue
        if item.get("type") != "reasoning":
            said.append({key: value for key, value in item.items() if key != "id"})
        elif item.get("encrypted_content"):
            said.append(dict(item))
    return said
