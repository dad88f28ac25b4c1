"""Input that a server of the newer revision requires before it goes on: asked for on the line, and sent along."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from remit.adapters.mcp.asking import asked_within
from remit.errors import ToolUnreachable
from remit.gateway.transport import Line

#: How often a server may ask for further input during one call.
_ROUNDS_MAX = 10

Send = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def answered(send: Send, params: Mapping[str, Any], line: Line | None, *, seconds: float) -> Mapping[str, Any]:
    """The final outcome of a request that `send` sends with these parameters: `{"result": ...}` or `{"error": ...}`;
    the caller is waited for `seconds` each time.

    Raises:
        ToolUnreachable: the server asks for input in no form of the protocol; or as `send`.
    """
    outcome = await send(params)
    for _ in range(_ROUNDS_MAX):
        value = outcome.get("result")
        if line is None or not isinstance(value, dict) or value.get("resultType") != "input_required":
            return outcome
        answers: dict[str, Any] = {}
        asks = value.get("inputRequests") or {}
        if not isinstance(asks, dict) or not all(_is_request(one) for one in asks.values()):
            raise ToolUnreachable("The server's answer is not in the protocol's form.")
        for name, asked in asks.items():
            answer = await asked_within(seconds, line, asked["method"], asked.get("params") or {})
            if "error" in answer:
                return answer
            answers[name] = answer["result"]
        again = {**params, "inputResponses": answers, "requestState": value.get("requestState")}
        outcome = await send({name: given for name, given in again.items() if given is not None})
    return outcome


def _is_request(asked: Any) -> bool:
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        return False
    return isinstance(asked.get("params") or {}, dict)
