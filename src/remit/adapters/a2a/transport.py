"""Carries calls to one agent elsewhere."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from remit.adapters.egress import EgressClient, EgressTransport, httpx_client
from remit.errors import CredentialRefused, ToolUnavailable
from remit.gateway.transport import Handed, ToolResult
from remit.registry import A2aSource
from remit.tools import Tool

if TYPE_CHECKING:
    from remit.adapters.a2a.session import Session

_CARD_SECONDS = 30.0
_REFUSED = frozenset({401, 403})


#: Gives this home's hop for a call: what stands above it, the message's id, and the host that takes it.
Signing = Callable[[Handed, str, str], str]


class A2aTransport:
    """The skills of one agent; its card is read at the first use."""

    def __init__(
        self,
        name: str,
        source: A2aSource,
        calls: EgressTransport,
        documents: EgressTransport,
        *,
        sign: Signing | None = None,
    ) -> None:
        """Describe the source; nothing is fetched yet.

        Args:
            name: the source's name.
            source: its declaration.
            calls: sends its messages, with its credential.
            documents: fetches the card without it, where messages go to another place than that.
            sign: signs what stands above a call for the agent that takes it; None tells it unsigned.
        """
        self._name = name
        self._source = source
        self._calls = calls
        self._cards = EgressClient(calls if _beside(source) else documents)
        self._documents = documents
        self._client = httpx_client(calls, seconds=_CARD_SECONDS)
        self._sign = sign
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        return await self.delegate(tool, arguments, idempotency_key=idempotency_key, handed=Handed())

    async def delegate(
        self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str, handed: Handed
    ) -> ToolResult:
        """Call the skill once, and tell the agent the skills above it, the outermost first, with this home's word."""
        session = await self._opened()
        if not {"text", "data"} & arguments.keys():
            return ToolResult(None, error="invalid_arguments: expected `text` or `data`")
        from remit.adapters.a2a.session import message_of  # noqa: PLC0415 - imported with the session

        above = list(handed.ancestry)
        metadata: dict[str, Any] = {"skill": tool.local_name, "remit/depth": len(above), "remit/ancestry": above}
        if self._sign is not None:
            own = await asyncio.to_thread(self._sign, handed, idempotency_key, session.audience)
            metadata["remit/delegation"] = [*handed.hops, own]
        message = message_of(arguments, key=idempotency_key, metadata=metadata)
        try:
            return await session.ask(message, seconds=tool.timeout_seconds)
        except CredentialRefused as error:
            if not error.rule.startswith("http_"):
                raise  # it was no answer of the agent's that said so
            raise self._calls.refused(error.detail, rule=error.rule) from error

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        from remit.adapters.a2a.card import definitions_of  # noqa: PLC0415 - imports the library: half a second

        # The card is asked for anew: what has changed there is what this is for.
        self._session = None
        return definitions_of((await self._opened()).card)

    async def close(self) -> None:
        self._closed = True
        await self._cards.close()
        await self._documents.aclose()
        await self._client.aclose()

    async def _opened(self) -> "Session":
        if self._closed:
            raise ToolUnavailable(f"The source {self._name!r} is closed.", rule="not_sent")
        async with self._opening:
            if self._session is None:
                reply = await self._cards.send(
                    "GET", self._source.card, headers={"Accept": "application/json"}, seconds=_CARD_SECONDS
                )
                if reply.status in _REFUSED:
                    raise self._cards.refused(f"The agent answered {reply.status} for its card.", rule="no_card")
                if reply.status != 200:
                    raise ToolUnavailable(f"The agent answered {reply.status} for its card.", rule="no_card")
                self._session = await asyncio.to_thread(self._made, reply.body)
            return self._session

    def _made(self, content: bytes) -> "Session":
        from remit.adapters.a2a.card import reachable, read_card  # noqa: PLC0415 - imports the library: half a second
        from remit.adapters.a2a.session import Session  # noqa: PLC0415 - as above

        return Session(reachable(read_card(content), self._source), self._client)


def _beside(source: A2aSource) -> bool:
    return source.endpoint is None or urlsplit(source.endpoint)[:2] == urlsplit(source.card)[:2]
