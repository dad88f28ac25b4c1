"""A question of a server's to the caller: it is answered in time, or answered for the caller."""

import asyncio
from collections.abc import Mapping
from typing import Any

from remit.adapters.mcp.messages import INTERNAL_ERROR
from remit.gateway.transport import Line

#: Of the time that is left for the call, for the caller to answer; the server needs the rest to come to its end.
_SHARE = 0.8
#: For a question that belongs to no call.
_LONGEST_SECONDS = 60.0


def patience(end: float | None) -> float:
    """For how many seconds a caller is waited for whose call must be answered at `end`, on the loop's clock."""
    if end is None:
        return _LONGEST_SECONDS
    return max(0.0, end - asyncio.get_running_loop().time()) * _SHARE


async def asked_within(seconds: float, line: Line, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The caller's answer; where none came in time, that it was cancelled (elicitation), or an error that says so."""
    waiting = asyncio.ensure_future(line.asked(method, params))
    try:
        done, _ = await asyncio.wait({waiting}, timeout=seconds)
        if done:
            return waiting.result()
    finally:
        waiting.cancel()
    if method == "elicitation/create":
        return {"result": {"action": "cancel"}}
    told = f"The caller did not answer in {seconds:.0f} seconds."
    return {"error": {"code": INTERNAL_ERROR, "message": told}}
