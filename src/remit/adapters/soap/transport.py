"""Carries calls to one SOAP service."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from remit.adapters.egress import EgressClient, Reply
from remit.errors import InvalidResource, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.registry import SoapSource, file_at
from remit.tools import Tool

if TYPE_CHECKING:
    from remit.adapters.soap.service import Service

_LOAD_SECONDS = 30.0
_REFUSED = frozenset({401, 403})
#: The service says that it did not look at the request.
_NOT_NOW = frozenset({429, 503})


class SoapTransport:
    """The tools of one service; its WSDL is read at the first use."""

    def __init__(
        self, name: str, source: SoapSource, client: EgressClient, documents: EgressClient, *, folder: str
    ) -> None:
        """Describe the source; nothing is fetched yet.

        Args:
            name: the source's name.
            source: its declaration.
            client: sends its requests, with its credential.
            documents: fetches the WSDL without it, where calls go to another place than that.
            folder: the home, from which a file's path goes.
        """
        self._name = name
        self._source = source
        self._client = client
        self._bare = documents
        self._place = source.wsdl if "://" in source.wsdl else str(file_at(source.wsdl, folder))
        self._service: Service | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        try:
            service = await self._opened()
        except InvalidResource as error:
            raise ToolUnavailable(error.detail, hint=error.advice, rule="document") from error
        name = tool.local_name
        try:
            request = await asyncio.to_thread(service.request, name, arguments)
        except ValueError as error:
            return ToolResult(None, error=f"invalid_arguments: {error}")
        if request is None:
            return ToolResult(None, error=f"unknown_tool: {self._name} has no operation {name!r}")
        headers = {**request.headers, "Idempotency-Key": idempotency_key}
        reply = await self._client.send(
            "POST", service.url, headers=headers, content=request.content, seconds=tool.timeout_seconds
        )
        return await self._read(service, name, reply)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        # The description is asked for anew: what has changed there is what this is for.
        self._service = None
        return (await self._opened()).definitions

    async def close(self) -> None:
        self._closed = True
        await self._client.close()
        await self._bare.close()

    async def _read(self, service: "Service", name: str, reply: Reply) -> ToolResult:
        from remit.adapters.soap.service import Fault, NotInForm  # noqa: PLC0415 - imported with the service

        if reply.status in _REFUSED:
            raise self._client.refused(f"The service answered {reply.status}.", rule=f"http_{reply.status}")
        if reply.status in _NOT_NOW:
            raise ToolUnavailable(f"The service answered {reply.status}.", rule=f"http_{reply.status}")
        if not reply.body and 200 <= reply.status < 300:
            return ToolResult({})
        try:
            answer = await asyncio.to_thread(service.answer, name, reply.status, reply.headers, reply.body)
        except NotInForm as error:
            raise ToolUnreachable(
                f"The service answered {reply.status} and not in the form of {name} ({error}).", rule="not_in_form"
            ) from None
        if isinstance(answer, Fault):
            return ToolResult(None, error=f"{answer.code}: {answer.message}")
        return ToolResult(answer)

    async def _opened(self) -> "Service":
        if self._closed:
            raise ToolUnavailable(f"The source {self._name!r} is closed.", rule="not_sent")
        async with self._opening:
            if self._service is None:
                self._service = await self._loaded()
            return self._service

    async def _loaded(self) -> "Service":
        from remit.adapters.soap.documents import gathered  # noqa: PLC0415 - imports the parser: half a second

        fetch = self._fetched if "://" in self._place else None
        documents = await gathered(self._place, fetch)
        return await asyncio.to_thread(_service, self._name, self._source, documents)

    async def _fetched(self, url: str) -> bytes:
        endpoint = self._source.endpoint
        elsewhere = endpoint is not None and urlsplit(endpoint)[:2] != urlsplit(url)[:2]
        client = self._bare if elsewhere else self._client
        reply = await client.send("GET", url, headers={"Accept": "text/xml, */*"}, seconds=_LOAD_SECONDS)
        if reply.status in _REFUSED:
            raise client.refused(f"The service answered {reply.status} for its WSDL.", rule=f"http_{reply.status}")
        if reply.status != 200:
            raise ToolUnavailable(f"The service answered {reply.status} for its WSDL.", rule=f"http_{reply.status}")
        return reply.body


def _service(name: str, source: SoapSource, documents: Any) -> "Service":
    from remit.adapters.soap.service import Service  # noqa: PLC0415 - imports the parser: half a second

    return Service(name, source, documents)
