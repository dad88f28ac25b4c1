"""A sidecar's requests to `/sidecar/v1` of its control plane."""

from typing import Any

import orjson

from remit.adapters.egress import EgressClient
from remit.errors import ControlUnreachable, RemitError, ToolUnreachable, catalogue
from remit.sidecars import Account, Joined, Pushed, Row, Told, pack

_SECONDS = 15.0


class HttpLink:
    """Speaks to one control plane under one sidecar's token."""

    def __init__(self, client: EgressClient, address: str, token: str) -> None:
        self._client = client
        self._base = f"{address.rstrip('/')}/sidecar/v1"
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def join(self, vkey: str) -> Joined:
        """Say which key seals the record."""
        told = await self._ask("join", {"vkey": vkey})
        return Joined(told["agent"], told["principal"], int(told["size"]), str(told["root"]))

    async def bundle(self, *, have: str, nonce: str, wait_seconds: float) -> Pushed:
        """The bundle in force."""
        asked = {"have": have, "nonce": nonce, "wait_seconds": wait_seconds}
        told = await self._ask("bundle", asked, more=wait_seconds)
        return Pushed(str(told["head"]), told["body"])

    async def account(self, told: Told) -> Account:
        """Tell what was spent, and ask for more."""
        body = {"granted": told.granted, "used": told.used, "returned": told.returned, "ask": told.ask}
        return Account.from_json(await self._ask("account", body))

    async def send(self, rows: list[Row], seal: str, *, after: int) -> int:
        """Send the next rows on."""
        told = await self._ask("record", {"after": after, "seal": seal, "lines": pack(rows).decode()})
        return int(told["size"])

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _ask(self, what: str, body: dict[str, Any], *, more: float = 0.0) -> Any:
        url, content = f"{self._base}/{what}", orjson.dumps(body)
        try:
            reply = await self._client.send(
                "POST", url, headers=self._headers, content=content, seconds=_SECONDS + more
            )
        except ToolUnreachable as silent:
            raise ControlUnreachable(silent.detail) from silent
        try:
            told = orjson.loads(reply.body)
            refused = reply.status >= 400
            error = catalogue().get(str(told["code"])) if refused else None
        except (ValueError, KeyError, TypeError):
            raise ControlUnreachable(f"It answered {reply.status}, in words that are not Remit's.") from None
        if error is not None:
            raise _of(error, told)
        if refused:
            raise ControlUnreachable(f"It answered {reply.status}.")
        return told


def _of(error: type[RemitError], told: dict[str, Any]) -> RemitError:
    return error(str(told.get("detail", "")), rule=str(told.get("rule", "")))
