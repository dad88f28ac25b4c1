"""A REST service: its description is read when first needed, and its operations are called as it says."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from remit.adapters.egress import EgressClient, EgressTransport
from remit.adapters.openapi.answers import result
from remit.adapters.openapi.document import Document
from remit.adapters.openapi.encoding import body_of, headers_of, path_of, query_of
from remit.adapters.openapi.operations import Operation, operations
from remit.errors import AnswerTooLong, InvalidArguments, InvalidResource, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult
from remit.registry.file_at import FILE_HINT, file_at
from remit.tools import Tool

_ACCEPT = "application/json, application/problem+json, text/*;q=0.8, */*;q=0.5"


class OpenApiTransport:
    """Carries calls to a service."""

    def __init__(
        self,
        document: Mapping[str, Any] | str,
        egress: EgressTransport,
        *,
        documents: EgressTransport | None = None,
        base_url: str = "",
        folder: Path | None = None,
        hidden: frozenset[str] = frozenset(),
        timeout_seconds: float = 60.0,
    ) -> None:
        """Describe the service; nothing is read yet.

        Args:
            document: its description; or the address, or the file's path, where that stands.
            egress: the way out to the service, with its credential.
            documents: the way out to the description's address, without a credential.
            base_url: the service's address; empty takes the description's first server.
            folder: the home, from which a file's path goes.
            hidden: parameters that the credential fills, by name in small letters.
            timeout_seconds: how long a call may take where its tool does not say less.
        """
        self._written = document
        self._client = EgressClient(egress)
        self._documents = EgressClient(documents or egress)
        self._base_url = base_url
        self._folder = folder or Path()
        self._hidden = hidden
        self._timeout_seconds = timeout_seconds
        self._known: tuple[str, Mapping[str, Operation]] | None = None
        self._reading = asyncio.Lock()

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        try:
            base, known = await self._service()
        except InvalidResource as error:
            raise ToolUnavailable(error.detail, hint=error.advice, rule="document") from error
        operation = known.get(tool.local_name)
        if operation is None or operation.schema != tool.input_schema:
            # The schema names method and path: what was accepted is what is called.
            raise ToolUnavailable(
                f"The service describes {tool.local_name} otherwise than when it was accepted.",
                hint="Compare with `remit doctor`, and apply the source again to accept it.",
                rule="pin_broken",
            )
        try:
            query = query_of(operation, arguments)
            url = f"{base}{path_of(operation, arguments)}" + (f"?{query}" if query else "")
            headers = {"accept": _ACCEPT, **headers_of(operation, arguments)}
        except InvalidArguments as no:
            return ToolResult(content=None, error=no.detail)
        body = body_of(operation, arguments)
        if body is not None:
            headers["content-type"] = operation.body_type
        if operation.writes:
            headers["idempotency-key"] = idempotency_key
        seconds = min(tool.timeout_seconds, self._timeout_seconds)
        try:
            reply = await self._client.send(
                operation.method, url, headers=headers, content=body or b"", seconds=seconds
            )
        except AnswerTooLong as long:
            # The call was carried out and answered; only nobody can take the answer.
            return ToolResult(content=None, error=long.detail)
        return result(reply, refused=self._client.refused, credential=self._client.credential)

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        """What the service offers now; the description is read anew.

        Raises:
            InvalidResource: its file cannot be read, or it describes no service that can be called.
            ToolUnavailable: it cannot be fetched.
        """
        self._known = None
        _, known = await self._service()
        return [
            {"name": one.name, "description": one.description, "inputSchema": dict(one.schema)}
            for one in known.values()
        ]

    async def close(self) -> None:
        await self._client.close()
        await self._documents.close()

    async def _service(self) -> tuple[str, Mapping[str, Operation]]:
        """The service's address and operations; concurrent callers wait for the first. Nothing is called yet."""
        if self._known is not None:
            return self._known
        try:
            async with self._reading:
                if self._known is None:
                    document = await self._document()
                    base = self._base(document)
                    self._known = base, await asyncio.to_thread(operations, document, hidden=self._hidden)
                return self._known
        except ToolUnavailable:
            raise
        except ToolUnreachable as error:
            raise ToolUnavailable(f"The service's description: {error.detail}", rule="document") from error

    async def _document(self) -> Document:
        if not isinstance(self._written, str):
            return Document(self._written)
        if not _is_address(self._written):
            return Document.read(await asyncio.to_thread(self._read))
        reply = await self._documents.send(
            "GET", self._written, headers={"accept": "application/json, */*;q=0.5"}, seconds=self._timeout_seconds
        )
        if reply.status in {401, 403}:
            raise ToolUnavailable(
                f"The service's description is asked for without the credential, and was refused ({reply.status}).",
                hint="Fetch the description yourself, and name it by its path from the home.",
                rule="document",
            )
        if reply.status != httpx.codes.OK:
            raise ToolUnavailable(f"The address of the service's description answered {reply.status}.", rule="document")
        return await asyncio.to_thread(Document.read, reply.body)

    def _read(self) -> bytes:
        path = file_at(str(self._written), self._folder)
        try:
            return path.read_bytes()
        except OSError as error:
            raise InvalidResource(
                f"The description {path} cannot be read: {error.strerror}.", hint=FILE_HINT
            ) from error

    def _base(self, document: Document) -> str:
        """The service's address, without a slash at its end.

        Raises:
            InvalidResource: neither source nor description says it, or a description from elsewhere would decide where
                the credential goes.
        """
        if self._base_url:
            return self._base_url.rstrip("/")
        told, fetched = document.server, isinstance(self._written, str) and _is_address(self._written)
        if fetched:
            place = httpx.URL(str(self._written))
            told = str(place.join(told or "/"))
            if httpx.URL(told).copy_with(path="/", query=None) != place.copy_with(path="/", query=None):
                raise InvalidResource(
                    "The description names a server at another place than its own.",
                    hint="Write `openapi: {base_url: ...}` in the source, if that is where the service stands.",
                )
        if not _is_address(told):
            raise InvalidResource(
                "The description does not say where the service stands.",
                hint="Write `openapi: {base_url: ...}` in the source.",
            )
        return told.rstrip("/")


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))
