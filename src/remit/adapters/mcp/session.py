"""One session with one server process: protocol agreed, calls made, and the process gone when it is over."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from remit.adapters.mcp.answers import result
from remit.adapters.mcp.peer import Peer
from remit.adapters.mcp.rounds import answered
from remit.adapters.mcp.server import ServerProcess
from remit.errors import ToolUnavailable, ToolUnreachable
from remit.gateway.transport import Line, ToolResult

_log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "remit/idempotency-key"
#: The newest protocol that begins with a handshake, and the one in which each request stands for itself.
HANDSHAKE_VERSION, MODERN_VERSION = "2025-11-25", "2026-07-28"
_HANDSHAKE_VERSIONS = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", HANDSHAKE_VERSION})
_META = "io.modelcontextprotocol/"
_PAGES_MAX = 1000


class Session:
    """The calls in flight with one server. It answers for the process: when it is over, the process is gone."""

    def __init__(self, server: ServerProcess, line: Line | None = None) -> None:
        self._server = server
        self._asks = dict(line.capabilities) if line is not None else {}
        self._over = asyncio.Event()
        self._retiring = False
        self._modern = False
        self._peer = Peer(server, line, self._over.set)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())
        #: What the server said of itself: `capabilities`, `serverInfo`, `instructions`.
        self.offers: Mapping[str, Any] = {}

    @property
    def usable(self) -> bool:
        """Whether a further call may be given to it."""
        return not (self._retiring or self._over.is_set() or self._keeper.done() or self._server.ended)

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._keeper.done()

    @property
    def changes(self) -> int:
        """How often the server has said that its tools changed."""
        return self._peer.changes

    async def opened(self, seconds: float) -> None:
        """Return when the server has agreed on a protocol.

        Raises:
            ToolUnreachable: it ended, spoke nonsense, or took longer than `seconds`; nothing was called.
        """
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._ready)
        except TimeoutError:
            raise ToolUnavailable(f"The server did not answer in {seconds:g} seconds.", rule="not_sent") from None
        finally:
            if not self._ready.done():
                await self.close()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        key: str,
        seconds: float,
        line: Line | None = None,
        may_leave: bool = False,
    ) -> ToolResult:
        """Call a tool; on a line, its questions are answered and its progress is told."""
        params = {"name": name, "arguments": dict(arguments), "_meta": {IDEMPOTENCY_KEY: key}}
        return result(await self._resolved("tools/call", params, seconds, line, may_leave=may_leave), "tools/call")

    async def ask(
        self, method: str, params: Mapping[str, Any], *, seconds: float, line: Line | None = None
    ) -> Mapping[str, Any]:
        """Send any other request: `{"result": ...}` or `{"error": ...}`."""
        return await self._resolved(method, params, seconds, line, may_leave=True)

    async def tools(self, seconds: float) -> Sequence[Mapping[str, Any]]:
        """Every tool on every page, as the server defines it."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            outcome = await self._handed("tools/list", {"cursor": cursor} if cursor else {}, seconds)
            page = outcome.get("result")
            if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
                said = outcome.get("error", {})
                raise ToolUnreachable(f"The server does not list its tools: {said.get('message', 'no list came')}")
            found += page["tools"]
            cursor = page.get("nextCursor")
            if not cursor:
                return found
        raise ToolUnreachable(f"The server's list of tools has more than {_PAGES_MAX} pages.")

    async def close(self) -> None:
        """End the server; calls in flight end as unreachable."""
        self._over.set()
        if not self._ready.done():
            self._keeper.cancel()  # it waits for a server that may never answer
        await asyncio.wait([self._keeper])

    def retire(self) -> None:
        """Take no further call, and end once those in flight are answered."""
        self._retiring = True
        self._end_when_idle()

    # --- parts

    async def _resolved(
        self, method: str, params: Mapping[str, Any], seconds: float, line: Line | None, *, may_leave: bool
    ) -> Mapping[str, Any]:
        """The final outcome: input that a server of the newer protocol requires is asked for on the line."""

        async def send(given: Mapping[str, Any]) -> Mapping[str, Any]:
            return await self._handed(method, given, seconds, line, may_leave=may_leave)

        return await answered(send, params, line, seconds=seconds)

    async def _handed(
        self,
        method: str,
        params: Mapping[str, Any],
        seconds: float,
        line: Line | None = None,
        *,
        may_leave: bool = False,
    ) -> Mapping[str, Any]:
        heard = self._peer.heard
        if self._modern:
            params = {**params, "_meta": {**params.get("_meta", {}), **self._envelope()}}
        try:
            async with asyncio.timeout(seconds):
                end = asyncio.get_running_loop().time() + seconds
                return await self._peer.request(method, params, line=line, may_leave=may_leave, end=end)
        except TimeoutError:
            if self._peer.heard == heard:
                self.retire()  # it said nothing to anyone in all this time: the next call gets a new server
            raise ToolUnreachable(f"The server did not answer in {seconds:g} seconds.") from None
        finally:
            self._end_when_idle()

    def _envelope(self) -> dict[str, Any]:
        return {
            f"{_META}protocolVersion": MODERN_VERSION,
            f"{_META}clientInfo": _identity(),
            f"{_META}clientCapabilities": self._asks,
        }

    def _end_when_idle(self) -> None:
        if self._retiring and not self._peer.busy:
            self._over.set()

    async def _keep(self) -> None:
        """Open the session, hold it until it is over, and end the server whatever happens."""
        reader = asyncio.create_task(self._peer.read())
        try:
            await self._agree()
            self._ready.set_result(None)
            await self._over.wait()
        except Exception as error:  # noqa: BLE001 - the task's edge: what ends the session is told to those who wait for it
            self._fail(error)
        finally:
            self._over.set()
            self._peer.end()
            await self._server.stop()
            reader.cancel()
            await asyncio.wait([reader])
            if not self._ready.done():
                self._fail(None)

    async def _agree(self) -> None:
        """Shake hands; a server that knows no handshake is asked what it is."""
        asked = {"protocolVersion": HANDSHAKE_VERSION, "capabilities": self._asks, "clientInfo": _identity()}
        outcome = await self._peer.request("initialize", asked)
        said = outcome.get("result")
        if isinstance(said, dict):
            if said.get("protocolVersion") not in _HANDSHAKE_VERSIONS:
                raise ToolUnreachable("The server wants a protocol that Remit does not speak.")
            self.offers = said
            self._peer.notify("notifications/initialized", {})
            return
        outcome = await self._peer.request("server/discover", {"_meta": self._envelope()})
        said = outcome.get("result")
        if not isinstance(said, dict) or MODERN_VERSION not in said.get("supportedVersions", ()):
            raise ToolUnreachable("The server wants a protocol that Remit does not speak.")
        self._modern, self.offers = True, said

    def _fail(self, error: Exception | None) -> None:
        if self._ready.done():
            _log.warning("The session with server process %d ended: %s", self._server.pid, type(error).__name__)
            return
        why = self._server.last_words or "it ended before it answered"
        self._ready.set_exception(ToolUnavailable(f"The server did not start: {why}.", rule="not_sent"))
        self._ready.exception()  # seen, for the case that every caller has left


def _identity() -> dict[str, str]:
    return {"name": "remit", "version": version("remit")}
