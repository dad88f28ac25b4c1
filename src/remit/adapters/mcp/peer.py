"""JSON-RPC 2.0 both ways over the lines of one server process.

Values are JSON as they came: nothing is parsed into types here, so nothing that a server says is lost or changed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson

from remit.adapters.mcp.asking import asked_within, patience
from remit.adapters.mcp.server import ServerProcess
from remit.errors import ToolUnreachable
from remit.gateway.transport import Line

_log = logging.getLogger(__name__)

#: A line beyond this is no answer but a fault; the server is ended.
_LINE_BYTES_MAX = 64 << 20
_CHUNK_BYTES = 1 << 16
#: Questions of one server that are being answered at once; beyond that it is told to wait.
_QUESTIONS_MAX = 32
METHOD_NOT_FOUND, INTERNAL_ERROR = -32601, -32603
_TAKEN_BACK = {"error": {"code": 0, "message": "The caller took the request back."}}


class Peer:
    """The requests in flight with one server, and what it says and asks of its own accord."""

    def __init__(self, server: ServerProcess, owner: Line | None, over: Callable[[], None]) -> None:
        self._server = server
        self._over = over
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        #: Whoever hears the server: those with a request in flight, the newest last. Progress goes by its request's id.
        self._lines: dict[int, Line] = {}
        #: When each of them must be answered, on the loop's clock.
        self._ends: dict[int, float] = {}
        self._questions: set[asyncio.Task[None]] = set()
        #: Counts what was heard, so that silence can be told from being busy with others.
        self.heard = 0
        #: How often the server has said that its tools changed.
        self.changes = 0
        #: Hears what concerns no request in flight; None where the session is shared, and nobody may hear the rest.
        self._owner = owner

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        return bool(self._waiting)

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        line: Line | None = None,
        may_leave: bool = False,
        end: float | None = None,
    ) -> Mapping[str, Any]:
        """Send one request and return `{"result": ...}` or `{"error": ...}`; where it `may_leave`, the caller on the
        line can take it back. Whoever waits leaves at `end`, so questions on the line are answered before.

        Raises:
            ToolUnreachable: the server ended before it answered.
        """
        self._last = number = self._last + 1
        if line is not None:
            params = {**params, "_meta": {**params.get("_meta", {}), "progressToken": number}}
        answered: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        taken_back = False

        def leave() -> None:
            nonlocal taken_back
            taken_back = True
            if not answered.done():
                answered.set_result(_TAKEN_BACK)

        if line is not None:
            self._lines[number] = line
            if end is not None:
                self._ends[number] = end
            if may_leave:
                line.when_gone(leave)
        try:
            self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            return await answered
        finally:
            del self._waiting[number]
            self._lines.pop(number, None)
            self._ends.pop(number, None)
            if (answered.cancelled() or taken_back) and method != "initialize":
                self.send(_notification("notifications/cancelled", {"requestId": number}))

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        self.send(_notification(method, params))

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message; a server that is gone is noticed by whoever waits for it."""
        with suppress(OSError, RuntimeError):
            self._server.input.write(orjson.dumps(message) + b"\n")

    async def read(self) -> None:
        """Hand on the server's lines until they end; then whoever waits is told."""
        rest = bytearray()
        try:
            while (chunk := await self._server.output.read(_CHUNK_BYTES)) and len(rest) < _LINE_BYTES_MAX:
                self.heard += 1
                rest += chunk
                if b"\n" in chunk:
                    *lines, rest = rest.split(b"\n")
                    for text in lines:
                        await self._take(self._server.scrubber.whole(bytes(text)))
        except ConnectionError:
            pass
        finally:
            self.end()
            self._over()

    def end(self) -> None:
        """Tell whoever waits that no answer will come."""
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ToolUnreachable("The server ended during the call."))
        for question in self._questions:
            question.cancel()

    async def _take(self, text: bytes) -> None:
        if not text.strip():
            return
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            _log.warning("A server wrote a line that is no JSON-RPC message (%d bytes); it is skipped.", len(text))
        elif isinstance(method := message.get("method"), str):
            params = message.get("params")
            await self._heard(message, method, params if isinstance(params, dict) else {})
        elif isinstance(number := message.get("id"), int):
            answered = self._waiting.get(number)
            if answered is not None and not answered.done():
                answered.set_result(message)

    async def _heard(self, message: Mapping[str, Any], method: str, params: Mapping[str, Any]) -> None:
        if "id" not in message:
            await self._told(method, params)
            return
        if method == "ping":
            self.send({"jsonrpc": "2.0", "id": message["id"], "result": {}})
            return
        number = next(reversed(self._lines), None)
        end = self._ends.get(number) if number is not None else None
        line = self._newest()
        if line is None or len(self._questions) >= _QUESTIONS_MAX:
            refused = {"code": METHOD_NOT_FOUND, "message": f"Nobody here answers {method[:64]}."}
            self.send({"jsonrpc": "2.0", "id": message["id"], "error": refused})
            return
        self._aside(self._ask(line, message["id"], method, params, patience(end)))

    async def _ask(self, line: Line, number: Any, method: str, params: Mapping[str, Any], seconds: float) -> None:
        try:
            outcome = await asked_within(seconds, line, method, params)
        except Exception as error:  # noqa: BLE001 -- the task's edge: the server is owed an answer whatever happened
            _log.warning("A server's %s was not answered: %s", method[:64], type(error).__name__)
            outcome = {"error": {"code": INTERNAL_ERROR, "message": "The client did not answer."}}
        self.send({"jsonrpc": "2.0", "id": number, **outcome})

    async def _told(self, method: str, params: Mapping[str, Any]) -> None:
        self.changes += method == "notifications/tools/list_changed"
        if method == "notifications/progress":
            token = params.get("progressToken")
            line = self._lines.get(token) if isinstance(token, int) else None
        else:
            line = self._newest()
        if line is not None:
            await line.told(method, params)

    def _newest(self) -> Line | None:
        if self._owner is None:
            return None
        return next(reversed(self._lines.values()), self._owner)

    def _aside(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)


def _notification(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}
